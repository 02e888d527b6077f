import SansIO
import Testing
import Wire

@testable import PortMapping

/// What somebody on the LAN, or a broken gateway, may send.
@Suite struct HostileGatewayTests {
    private let server = FakeGateway.gateway.endpoint(port: 5351)

    @Test func `answers from elsewhere, and with another nonce or port, change nothing`() {
        var gateway = FakeGateway([])
        gateway.follow()
        let good = Endpoint(.v4(IPv4Address(198, 51, 100, 66)), port: 4)
        func answer(nonce: [UInt8], port: UInt16) -> [UInt8] {
            PCPResponse(
                result: .success, lifetimeSeconds: 7200, epochSeconds: 1,
                content: .map(nonce: nonce, internalPort: port, external: good)
            ).bytes
        }
        var nonce: [UInt8] = []
        var other = gateway.mapper
        other.follow([], at: gateway.now)
        for case .send(let datagram, _, _, _) in other.takeActions() {
            if let request = try? PCPMapRequest(parsing: datagram.span) { nonce = request.nonce }
        }
        #expect(nonce.count == 12)
        gateway.receive(answer(nonce: nonce.reversed(), port: 20007), from: server)
        gateway.receive(answer(nonce: nonce, port: 20008), from: server)
        gateway.receive(
            answer(nonce: nonce, port: 20007), from: Endpoint(.v4(IPv4Address(192, 168, 1, 66)), port: 5351))
        #expect(gateway.lease == nil)
        #expect(gateway.mapper.counts[.strangeAnswer] == 2)
        #expect(gateway.mapper.counts[.foreign] == 1)
        gateway.receive(answer(nonce: nonce, port: 20007), from: server)
        #expect(gateway.lease?.external == good, "the same answer from the gateway is taken")
    }

    @Test func `NAT-PMP answers that were not asked for change nothing`() {
        var gateway = FakeGateway([.pcp])
        gateway.follow()
        gateway.run(for: .seconds(1))
        let lease = gateway.lease
        let forged: [NATPMPResponse.Content] = [
            .mapUDP(internalPort: 20007, externalPort: 6, lifetimeSeconds: 7200),
            .mapUDP(internalPort: 20007, externalPort: 0, lifetimeSeconds: 0),
            .refusal(.notAuthorized, opcode: 1), .refusal(.unsupportedVersion, opcode: 1),
        ]
        for content in forged { gateway.receive(NATPMPResponse(epochSeconds: 0, content: content).bytes, from: server) }
        gateway.run(for: .seconds(1))
        #expect(gateway.lease == lease)
    }

    @Test(arguments: ["0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255"])
    func `an address that no host can have is not taken`(text: String) throws {
        for method in MappingMethod.allCases {
            var gateway = FakeGateway([method])
            gateway.external = try #require(IPAddress(text))
            gateway.follow()
            gateway.run(for: .seconds(10))
            #expect(gateway.lease == nil)
            #expect(gateway.problem != nil)
        }
    }

    @Test func `lifetimes of nothing and of centuries are taken within bounds`() throws {
        var gateway = FakeGateway([.natPMP])
        gateway.lifetimeSeconds = 1
        gateway.follow()
        gateway.run(for: .seconds(60))
        #expect(gateway.requests.count < 60)
        #expect(gateway.lease != nil)
        gateway = FakeGateway([.pcp])
        gateway.lifetimeSeconds = .max
        gateway.follow()
        gateway.run(for: .seconds(1))
        let lease = try #require(gateway.lease)
        #expect(lease.expiresAt - gateway.now <= .seconds(86_400))
    }

    @Test func `a connection that drips, floods or dies is given up`() {
        for behaviour in 0..<3 {
            var gateway = FakeGateway([.upnp])
            gateway.mapper.follow([FakeGateway.target], at: gateway.now)
            _ = gateway.mapper.takeActions()
            let answer = """
                HTTP/1.1 200 OK\r
                ST: urn:schemas-upnp-org:device:InternetGatewayDevice:2\r
                LOCATION: http://192.168.1.1:5000/d.xml\r
                \r\n
                """
            gateway.mapper.receive(
                Array(answer.utf8), from: Endpoint(FakeGateway.address, port: 1900), at: gateway.now)
            var number: UInt32?
            for case .connect(let opened, _, _, _) in gateway.mapper.takeActions() { number = opened }
            var closed = false
            for step in 0..<1000 where !closed {
                gateway.now = gateway.now + .milliseconds(10)
                let bytes = [UInt8](repeating: UInt8(ascii: "x"), count: behaviour == 0 ? 1 : 4096)
                gateway.mapper.receive(
                    bytes, onConnection: number ?? 0, isClosed: behaviour == 2 && step == 1, at: gateway.now)
                gateway.mapper.advance(to: gateway.now)
                closed = gateway.mapper.takeActions().contains(.close(number: number ?? 0))
            }
            #expect(closed)
        }
    }

    @Test func `no bytes at all make it fail`() {
        var random = SeededRandom(seed: 42)
        var gateway = FakeGateway(Set(MappingMethod.allCases))
        gateway.follow([FakeGateway.target, FakeGateway.target6])
        let samples: [[UInt8]] = [
            PCPResponse(result: .success, lifetimeSeconds: 9, epochSeconds: 9, content: .announcement).bytes,
            PCPResponse(
                result: .success, lifetimeSeconds: 9, epochSeconds: 9,
                content: .map(
                    nonce: Array(1...12), internalPort: 20007,
                    external: Endpoint(.v4(IPv4Address(1, 2, 3, 4)), port: 5))
            ).bytes,
            NATPMPResponse(epochSeconds: 1, content: .externalAddress(IPv4Address(1, 2, 3, 4))).bytes,
            NATPMPResponse(
                epochSeconds: 1, content: .mapUDP(internalPort: 20007, externalPort: 7, lifetimeSeconds: 8)
            ).bytes,
            Array("HTTP/1.1 200 OK\r\nST: urn:x\r\nLOCATION: http://192.168.1.1:1/\r\n\r\n".utf8),
        ]
        for round in 0..<4000 {
            var bytes = samples[round % samples.count]
            for _ in 0...Int.random(in: 0...3, using: &random) {
                let index = Int.random(in: 0..<bytes.count, using: &random)
                bytes[index] = UInt8.random(in: 0...255, using: &random)
            }
            let length = Int.random(in: 0...bytes.count, using: &random)
            let isCut = Bool.random(using: &random)
            let sources = [
                server, Endpoint(FakeGateway.address, port: 1900), FakeGateway.gateway6.endpoint(port: 5351),
            ]
            let source = sources[Int.random(in: 0..<sources.count, using: &random)]
            gateway.receive(isCut ? Array(bytes[..<length]) : bytes, from: source)
            gateway.mapper.receive(
                bytes, onConnection: UInt32.random(in: 0...8, using: &random), isClosed: isCut, at: gateway.now)
            gateway.run(for: .milliseconds(20))
        }
        #expect(gateway.mapper.counts[.malformed] > 0)
        gateway.run(for: .seconds(4000))
        #expect(gateway.lease != nil, "and the gateway's true answers still count")
    }

    @Test func `no document at all makes the readers fail`() {
        var random = SeededRandom(seed: 43)
        let source = HTTPLocation(Endpoint(FakeGateway.address, port: 5000), path: "/")
        let documents = [FakeGateway.description, FakeGateway.fault(718), FakeGateway.envelope("<a>1</a>")]
        for round in 0..<3000 {
            var bytes = Array(documents[round % documents.count].utf8)
            for _ in 0...Int.random(in: 0...5, using: &random) {
                let index = Int.random(in: 0..<bytes.count, using: &random)
                let marks = Array("<>/!?-[&;: ".utf8)
                bytes[index] =
                    Bool.random(using: &random)
                    ? marks[Int.random(in: 0..<marks.count, using: &random)] : UInt8.random(in: 0...255, using: &random)
            }
            bytes = Array(bytes.prefix(Int.random(in: 0...(2 * bytes.count), using: &random)))
            // Whether it can be read is one thing; that it is read to an end is what is tested.
            _ = try? DeviceDescription(parsing: bytes, from: source)
            _ = try? UPnPAnswer(parsing: HTTPReply(status: 500, fields: [:], body: bytes))
            let reply = Array("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".utf8) + bytes
            _ = HTTPReply.parse(reply, isClosed: false)
        }
    }
}
