import SansIO
import Services
import Testing
import Wire

@testable import DNS

/// What a server owes to questions of any form.
@Suite struct QueryTests {
    private func zones() throws -> Zones {
        var zones = Zones()
        try zones.add("web", at: ["10.96.0.10"])
        return zones
    }

    @Test func `the case of the question is kept, and does not matter`() throws {
        var zones = try zones()
        let message = try zones.ask("wEb.DEFAULT.svc.Cluster.LOCAL", .a)
        #expect(message.question?.name.wire == DomainName("wEb.DEFAULT.svc.Cluster.LOCAL")?.wire)
        #expect(message.answers.count == 1 && message.id == 0x1234)
    }

    @Test func `flags are answered in kind`() throws {
        var zones = try zones()
        let message = try zones.ask("web.default.svc.cluster.local", .a) {
            $0.flags.rawValue =
                MessageFlags.recursionDesired | MessageFlags.checkingDisabled | MessageFlags.authenticData
        }
        #expect(message.flags.isResponse && message.flags.wantsRecursion && message.flags.disablesChecking)
        #expect(message.flags.rawValue & MessageFlags.authenticData == 0)
        #expect(!message.flags.offersRecursion)
    }

    @Test func `EDNS is answered with EDNS, and only then`() throws {
        var zones = try zones()
        let with = try zones.ask("web.default.svc.cluster.local", .a) { $0.edns?.wantsSignatures = true }
        #expect(with.edns?.payloadBytes == 1232 && with.edns?.wantsSignatures == true)
        let without = try zones.ask("web.default.svc.cluster.local", .a) { $0.edns = nil }
        #expect(without.edns == nil)
    }

    @Test func `bad questions are answered with their fault`() throws {
        var zones = try zones()
        func code(_ change: (inout Message) -> Void) throws -> ResponseCode {
            try zones.ask("web.default.svc.cluster.local", .a, change: change).responseCode
        }
        #expect(try code { $0.flags.rawValue |= 4 << 11 } == .notImplemented)
        #expect(try code { $0.edns?.version = 1 } == .badVersion)
        #expect(try code { $0.question = nil } == .formatError)
        #expect(try code { $0.question?.questionClass = 3 } == .refused)
        #expect(try code { $0.question?.type = .axfr } == .refused)
        #expect(try code { $0.question?.type = RecordType(rawValue: 251) } == .refused)
        // Records before OPT are passed over.
        let answer = ResourceRecord(.root, .a, ttl: 0, .a(.any))
        #expect(try code { $0.answers = [answer] } == .noError)
    }

    @Test func `malformed queries are format errors`() throws {
        var zones = try zones()
        let good = try Zones.query("web.default.svc.cluster.local", .a)
        var bad: [[UInt8]] = []
        bad.append(Array(good.dropLast()))  // OPT is cut.
        bad.append(good + [0])  // Something behind the end.
        bad.append(Array(good.prefix(20)))  // The question is cut.
        var two = good
        two[5] = 2
        bad.append(two)  // Two questions announced.
        var pointer = good
        pointer[12] = 0xc0
        bad.append(pointer)
        var options = good
        options[11] = 2
        bad.append(options + good.suffix(11))  // Two OPT records.
        for bytes in bad {
            let message = try zones.ask(bytes: bytes)
            #expect(message.responseCode == .formatError)
            #expect(message.id == 0x1234)
        }
    }

    @Test func `answers and fragments of headers are dropped`() throws {
        var zones = try zones()
        var output: [UInt8] = []
        var answer = try Zones.query("web.default.svc.cluster.local", .a)
        answer[2] |= 0x80
        for bytes in [answer, Array(answer.prefix(11)), []] {
            let client = Resolver.Client(nil, token: 1)
            #expect(zones.resolver.receive(bytes.span, from: client, at: .zero, into: &output) == .dropped)
        }
        #expect(output.isEmpty && zones.resolver.counters.dropped == 3)
    }

    @Test func `ANY is answered with one small record`() throws {
        var zones = try zones()
        for name in ["web.default.svc.cluster.local", "cluster.local"] {
            let message = try zones.ask(name, .any)
            #expect(message.answers.map(\.type) == [.hinfo])
            #expect(message.answers[0].name == message.question?.name)
        }
        #expect(try zones.denial("none.default.svc.cluster.local", .any) == "NXDOMAIN")
        #expect(try zones.denial("default.svc.cluster.local", .any) == "NOERROR")
    }

    @Test func `an answer too long for a datagram is cut at a record, and whole over TCP`() throws {
        var zones = Zones()
        let endpoints = try (1...100).map { try Zones.endpoint("10.244.0.\($0)") }
        try zones.add("db", .headless, endpoints: endpoints)
        let name = "db.default.svc.cluster.local"
        for (limit, expected) in [(nil, 512), (512, 512), (1, 512), (1000, 1000), (4096, 1232)] as [(Int?, Int)] {
            let bytes = try Zones.query(name, .a) { message in
                if let limit { message.edns?.payloadBytes = UInt16(limit) } else { message.edns = nil }
            }
            let message = try zones.ask(bytes: bytes)
            #expect(message.flags.isTruncated)
            let size = message.bytes.count
            #expect(size <= expected && size > expected - 16, "\(size) of \(expected)")
        }
        let whole = try zones.ask(name, .a, isStream: true)
        #expect(!whole.flags.isTruncated && whole.answers.count == 100)
    }

    @Test func `additional records are left out before an answer is cut`() throws {
        var zones = Zones()
        let ports = [EndpointSlice.Port(name: "http", port: 80)]
        let endpoints = try (1...8).map { try Zones.endpoint("10.244.0.\($0)", hostname: "host-\($0)", ports: ports) }
        try zones.add("db", .headless, endpoints: endpoints)
        let small = try zones.ask("_http._tcp.db.default.svc.cluster.local", .srv) { $0.edns?.payloadBytes = 600 }
        #expect(!small.flags.isTruncated && small.answers.count == 8 && small.additional.isEmpty)
        let large = try zones.ask("_http._tcp.db.default.svc.cluster.local", .srv)
        #expect(large.additional.count == 8)
    }

    @Test func `the first of several addresses is another one each time`() throws {
        var zones = Zones()
        try zones.add("db", .headless, endpoints: try (1...4).map { try Zones.endpoint("10.244.0.\($0)") })
        var first: [String: Int] = [:]
        for _ in 0..<400 {
            let message = try zones.ask("db.default.svc.cluster.local", .a)
            #expect(Set(message.answers.map(\.data.description)).count == 4)
            first[message.answers[0].data.description, default: 0] += 1
        }
        #expect(first.count == 4 && first.values.allSatisfy { $0 > 60 })
    }

    @Test func `queries at random never stop a resolver, and what it answers can be read`() throws {
        var zones = try zones()
        try zones.add("db", .headless, endpoints: [try Zones.endpoint("10.244.0.1")])
        zones.resolver.index = zones.builder.snapshot(serial: 1)
        var random = SeededRandom(seed: 9)
        let names = [
            "web.default.svc.cluster.local", "1-2-3-4.default.pod.cluster.local",
            "x.prefer._zone.db.default.svc.cluster.local",
            "10-244-0-1.db.default.svc.cluster.local", "1.0.244.10.in-addr.arpa", "0.f.ip6.arpa", "example.com",
        ]
        var output: [UInt8] = []
        for _ in 0..<20_000 {
            let type = RecordType(rawValue: UInt16.random(in: 0...260, using: &random))
            var bytes = try Zones.query(names[Int.random(in: names.indices, using: &random)], type)
            for _ in 0..<Int.random(in: 0...4, using: &random) {
                bytes[Int.random(in: bytes.indices, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            if Int.random(in: 0..<10, using: &random) == 0 {
                bytes = Array(bytes.prefix(Int.random(in: 0...60, using: &random)))
            }
            output.removeAll(keepingCapacity: true)
            let client = Resolver.Client(.v4(IPv4Address(10, 244, 0, 1)), token: 1)
            let outcome = zones.resolver.receive(bytes.span, from: client, at: .zero, into: &output)
            guard outcome == .answered else { continue }
            let message = try Message(parsing: output)
            #expect(message.flags.isResponse && output.count <= 1232)
            #expect(output.prefix(2) == bytes.prefix(2))
        }
    }
}
