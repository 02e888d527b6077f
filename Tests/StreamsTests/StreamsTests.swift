import Linux
import SansIO
import Streams
import TLS
import Testing
import Wire

@Suite(.timeLimit(.minutes(1))) struct StreamsTests {
    @Test func `datagrams pass both ways with their boundaries`() throws {
        let (relay, endpoint) = try StreamHost.listening()
        let client = try StreamHost(StreamHost.settings())
        let outside = try client.open(7, to: endpoint)
        let sizes = [32, 148, 1480, 9216]
        for size in sizes { _ = try outside.send(tunnelMessage(UInt8(size & 255), count: size)[...]) }
        let inside = try relay.accept(as: 9)
        for size in sizes { #expect(try inside.next() == tunnelMessage(UInt8(size & 255), count: size)) }
        _ = try inside.send(tunnelMessage(3)[...])
        #expect(try outside.next() == tunnelMessage(3))
        #expect(client.streams.counters[.opened] == 1)
        #expect(relay.streams.counters[.accepted] == 1)
    }

    @Test func `when one side closes, the other hears of it and both sockets end`() throws {
        let (relay, endpoint) = try StreamHost.listening()
        let client = try StreamHost(StreamHost.settings())
        let outside = try client.open(1, to: endpoint)
        _ = try outside.send(tunnelMessage(1)[...])
        let inside = try relay.accept(as: 2)
        #expect(try inside.next() == tunnelMessage(1))
        client.streams.perform(.close(link: 1))
        #expect(try client.closing(of: 1) == .asked)
        #expect(try relay.closing(of: 2) == .closedByPeer)
        try outside.waitForEnd()
        try inside.waitForEnd()
    }

    @Test func `another program's certificate, or another mesh's, is not accepted`() throws {
        let (other, endpoint) = try StreamHost.listening(secret: 2)
        let client = try StreamHost(StreamHost.settings(secret: 1))
        #expect(try client.refusal(of: 1, to: endpoint) == .tls(.foreignKey))
        #expect(other.streams.counters[.accepted] == 0)
        #expect(client.streams.counters[.foreignKey] == 1)
    }

    @Test func `a port where nobody listens is told at once`() throws {
        let client = try StreamHost(StreamHost.settings())
        let closed = try TCPListener(Endpoint("127.0.0.1:0")!).endpoint
        guard case .broken(let error) = try client.refusal(of: 1, to: closed) else {
            Issue.record("not refused by the system")
            return
        }
        #expect(error.name == "ECONNREFUSED")
    }

    @Test func `what is no TLS is closed quietly, before and behind the handshake`() throws {
        let (relay, endpoint) = try StreamHost.listening()
        let prober = try Prober(to: endpoint)
        try prober.send(Array("GET / HTTP/1.1\r\nHost: x\r\n\r\n".utf8))
        #expect(try prober.readToEnd().count < 64)
        try relay.waitForCount(.handshakeFailed, 1)

        let insider = try TLSProber(to: endpoint)
        try insider.send(Array("GET / HTTP/1.1\r\nHost: x\r\n\r\n".utf8))
        #expect(try insider.readToEnd() == [])
        try relay.waitForCount(.malformed, 1)

        let confused = try TLSProber(to: endpoint)
        try confused.send([0, 5, 9, 9, 9, 9, 9])
        #expect(try confused.readToEnd() == [])
        try relay.waitForCount(.malformed, 2)
    }

    @Test func `strangers are limited by source, and a member no longer counts as one`() throws {
        let (relay, endpoint) = try StreamHost.listening()
        let client = try StreamHost(StreamHost.settings())
        let outside = try client.open(1, to: endpoint)
        _ = try outside.send(tunnelMessage(1)[...])
        let inside = try relay.accept(as: 1)
        relay.streams.perform(.prove(link: 1))
        #expect(try inside.next() == tunnelMessage(1))
        let silent = try (0..<70).map { _ in try Prober(to: endpoint) }
        try relay.waitForCount(.tooMany, 6)
        #expect(relay.streams.counters[.tooMany] == 6)
        // The member's stream goes on.
        _ = try outside.send(tunnelMessage(2)[...])
        #expect(try inside.next() == tunnelMessage(2))
        withExtendedLifetime(silent) {}
    }

    @Test func `streams of others are limited in all`() throws {
        let (relay, endpoint) = try StreamHost.listening(limit: 2)
        let silent = try (0..<5).map { _ in try Prober(to: endpoint) }
        try relay.waitForCount(.tooMany, 3)
        withExtendedLifetime(silent) {}
    }

    @Test func `a peer that reads nothing costs datagrams, not memory or time`() throws {
        let (relay, endpoint) = try StreamHost.listening()
        let slow = try TLSProber(to: endpoint)
        try slow.send([0, 148] + tunnelMessage(1))
        let inside = try relay.accept(as: 1)
        #expect(try inside.next() == tunnelMessage(1))
        // TCP's own buffers take some megabytes first.
        var sent = 0
        _ = try eventually("datagrams are dropped", wait: {}) {
            for _ in 0..<64 { if case .bytes = try inside.send(tunnelMessage(2, count: 1480)[...]) { sent += 1 } }
            return relay.streams.counters[.outgoingDropped] > 100 ? true : nil
        }
        // Others are served meanwhile.
        let client = try StreamHost(StreamHost.settings())
        let outside = try client.open(1, to: endpoint)
        _ = try outside.send(tunnelMessage(5)[...])
        #expect(try relay.accept(as: 2).next() == tunnelMessage(5))
    }

    @Test func `a port that is taken is reported, and had once it is free`() throws {
        var owner: TCPListener? = try TCPListener(Endpoint("127.0.0.1:0")!)
        var settings = StreamHost.settings()
        settings.listening = [owner!.endpoint]
        var patience = Streams.Patience()
        patience.listening = .milliseconds(20)
        let host = try StreamHost(settings, patience: patience)
        let reason = try host.next("a refusal") { if case .notListening(_, let error) = $0 { error.name } else { nil } }
        #expect(reason == "EADDRINUSE")
        owner = nil
        let port = try host.next("a port") { if case .listening(let port) = $0 { port } else { nil } }
        #expect(port == settings.listening[0].port)
    }

    @Test func `who does not finish the handshake, or then sends nothing, is closed`() throws {
        var patience = Streams.Patience()
        patience.handshake = .milliseconds(500)
        patience.firstDatagram = .milliseconds(50)
        let (relay, endpoint) = try StreamHost.listening(patience: patience)
        let mute = try Prober(to: endpoint)
        #expect(try mute.readToEnd() == [])
        try relay.waitForCount(.handshakeTimedOut, 1)
        let silent = try TLSProber(to: endpoint)
        #expect(try silent.readToEnd() == [])
        try relay.waitForCount(.silent, 1)
    }

    @Test func `a relay that takes the connection and says nothing is given up`() throws {
        var patience = Streams.Patience()
        patience.opening = .milliseconds(50)
        let mute = try TCPListener(Endpoint("127.0.0.1:0")!)
        let client = try StreamHost(StreamHost.settings(), patience: patience)
        #expect(try client.refusal(of: 1, to: mute.endpoint) == .timedOut)
    }

    @Test func `an idle stream shows signs of life, which are no datagrams`() throws {
        var patience = Streams.Patience()
        patience.silence = .milliseconds(20)
        let (relay, endpoint) = try StreamHost.listening()
        let client = try StreamHost(StreamHost.settings(), patience: patience)
        let outside = try client.open(1, to: endpoint)
        _ = try outside.send(tunnelMessage(1)[...])
        let inside = try relay.accept(as: 1)
        #expect(try inside.next() == tunnelMessage(1))
        relay.streams.mailbox.wakeUp.wait(milliseconds: 200)
        _ = try outside.send(tunnelMessage(2)[...])
        #expect(try inside.next() == tunnelMessage(2))
        try relay.waitForCount(.datagramsReceived, 2)
        #expect(relay.streams.counters[.malformed] == 0)
    }
}

@Suite(.timeLimit(.minutes(1))) struct ProxiedStreamTests {
    private func client(through proxy: FakeProxy, credentials: String? = nil, host: String = "127.0.0.1") throws
        -> StreamHost
    {
        var settings = StreamHost.settings()
        settings.proxy = HTTPProxy(host: host, port: proxy.endpoint.port, credentials: credentials)
        return try StreamHost(settings)
    }

    @Test(arguments: ["127.0.0.1", "localhost"])
    func `a stream goes through a proxy, by address and by name`(host: String) throws {
        let (relay, endpoint) = try StreamHost.listening()
        let proxy = try FakeProxy(credentials: "dXNlcjpwYXNz")
        let client = try client(through: proxy, credentials: "user:pass", host: host)
        let outside = try client.open(1, to: endpoint)
        _ = try outside.send(tunnelMessage(1, count: 9000)[...])
        let inside = try relay.accept(as: 1)
        #expect(try inside.next() == tunnelMessage(1, count: 9000))
        _ = try inside.send(tunnelMessage(2)[...])
        #expect(try outside.next() == tunnelMessage(2))
        #expect(proxy.requests.first?.hasPrefix("CONNECT \(endpoint) HTTP/1.1") == true)
    }

    @Test func `a proxy that wants a password says so in words`() throws {
        let proxy = try FakeProxy(credentials: "dXNlcjpwYXNz")
        let client = try client(through: proxy)
        let reason = try client.refusal(of: 1, to: Endpoint("127.0.0.1:9")!)
        #expect(reason == .proxyRefused(proxy: "127.0.0.1:\(proxy.endpoint.port)", status: 407))
        #expect(reason.description.contains("user and a password (407)"))
        #expect(client.streams.counters[.proxyRefused] == 1)
    }

    @Test func `a proxy that does not exist is named`() throws {
        var settings = StreamHost.settings()
        settings.proxy = HTTPProxy(host: "no-such-proxy.invalid", port: 3128)
        let client = try StreamHost(settings)
        guard
            case .proxyUnknown("no-such-proxy.invalid:3128", _) = try client.refusal(
                of: 1, to: Endpoint("127.0.0.1:9")!)
        else {
            Issue.record("not unknown")
            return
        }
    }

    @Test func `relays that are excepted are reached without the proxy`() throws {
        let (relay, endpoint) = try StreamHost.listening()
        var settings = StreamHost.settings()
        settings.proxy = HTTPProxy(host: "no-such-proxy.invalid", port: 3128)
        settings.exceptions = ProxyExceptions("127.0.0.0/8")
        let client = try StreamHost(settings)
        let outside = try client.open(1, to: endpoint)
        _ = try outside.send(tunnelMessage(1)[...])
        #expect(try relay.accept(as: 1).next() == tunnelMessage(1))
    }
}
