import CLinux
import Crypto
import Linux
import SansIO
import Streams
import Testing
import Wire

/// Waits for something without sleeping longer than it takes: until `body` gives a value, or ten seconds have passed.
func eventually<Value>(_ what: String, wait: () -> Void, _ body: () throws -> Value?) throws -> Value {
    let deadline = SystemClock.now + .seconds(10)
    while SystemClock.now < deadline {
        if let value = try body() { return value }
        wait()
    }
    throw Timeout(what: what)
}

struct Timeout: Error {
    let what: String
}

extension FileDescriptor {
    /// Waits until there is something to read, or a tenth of a second has passed.
    func waitUntilReadable() {
        _ = linux_wait_ready(number, UInt32(LINUX_READABLE), 100)
    }
}

/// The streams of one host, as its control thread sees them.
final class StreamHost {
    let streams: Streams
    private var events: [StreamEvent] = []

    init(_ settings: StreamSettings, patience: Streams.Patience = Streams.Patience()) throws {
        streams = try Streams(settings, patience: patience)
    }

    deinit { streams.stop() }

    static func settings(secret: UInt8 = 1) -> StreamSettings {
        StreamSettings(secrets: [Secret(Array(repeating: secret, count: 32))])
    }

    /// A host that takes streams on loopback, and where.
    static func listening(
        secret: UInt8 = 1, limit: Int = 512, patience: Streams.Patience = Streams.Patience()
    ) throws -> (StreamHost, Endpoint) {
        var settings = settings(secret: secret)
        settings.listening = [Endpoint("127.0.0.1:0")!]
        settings.limit = limit
        let host = try StreamHost(settings, patience: patience)
        let port = try host.next("a port") { if case .listening(let port) = $0 { port } else { nil } }
        return (host, Endpoint(.v4(IPv4Address(127, 0, 0, 1)), port: port))
    }

    /// The next event that `match` takes; others stay for later.
    func next<Value>(_ what: String, _ match: (StreamEvent) -> Value?) throws -> Value {
        try eventually(what, wait: { streams.mailbox.wakeUp.wait(milliseconds: 100) }) {
            events += streams.mailbox.takeAll()
            for (index, event) in events.enumerated() {
                if let value = match(event) {
                    events.remove(at: index)
                    return value
                }
            }
            return nil
        }
    }

    func open(_ link: UInt32, to endpoint: Endpoint) throws -> MessageSocket {
        streams.perform(.open(link: link, to: endpoint))
        return try next("link \(link) open") { event -> MessageSocket? in
            guard case .opened(link, let outlet) = event, let end = outlet.take() else { return nil }
            return MessageSocket(end)
        }
    }

    /// Why a stream that is asked for does not come to stand.
    func refusal(of link: UInt32, to endpoint: Endpoint) throws -> StreamEnd {
        streams.perform(.open(link: link, to: endpoint))
        return try closing(of: link)
    }

    func closing(of link: UInt32) throws -> StreamEnd {
        try next("link \(link) closed") { if case .closed(link, let reason) = $0 { reason } else { nil } }
    }

    /// Admits the next stream of another host as link `link`.
    func accept(as link: UInt32) throws -> MessageSocket {
        let (stream, socket) = try next("a stream") { event -> (UInt64, MessageSocket)? in
            guard case .accepted(let stream, _, let outlet) = event, let end = outlet.take() else { return nil }
            return (stream, MessageSocket(end))
        }
        streams.perform(.admit(stream: stream, link: link))
        return socket
    }

    func waitForCount(_ count: StreamCount, _ value: UInt64) throws {
        _ = try eventually(
            "\(value) × \(count.name), not \(streams.counters[count])",
            wait: { streams.mailbox.wakeUp.wait(milliseconds: 10) }
        ) { streams.counters[count] >= value ? true : nil }
    }
}

extension MessageSocket {
    /// The next message; waits for it.
    func next() throws -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: 10_000)
        return try eventually("a message", wait: { descriptor.waitUntilReadable() }) {
            switch try receive(into: &buffer) {
            case .bytes(let count): Array(buffer[..<count])
            case .wouldBlock: nil
            case .end: throw Timeout(what: "the other end is closed")
            }
        }
    }

    /// Waits until the other end is closed.
    func waitForEnd() throws {
        var buffer = [UInt8](repeating: 0, count: 10_000)
        _ = try eventually("the end", wait: { descriptor.waitUntilReadable() }) {
            try receive(into: &buffer) == .end ? true : nil
        }
    }
}

/// A tunnel message of this size, with `marker` as its content.
func tunnelMessage(_ marker: UInt8, count: Int = 148) -> [UInt8] {
    [4, 0, 0, 0] + [UInt8](repeating: marker, count: count - 4)
}
