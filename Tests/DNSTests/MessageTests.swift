import SansIO
import Testing
import Wire

@testable import DNS

@Suite struct MessageTests {
    /// RFC 1035 §4.1.4: F.ISI.ARPA at 20, FOO.F.ISI.ARPA at 40, ARPA at 64, the root at 92.
    @Test func `the names of RFC 1035 are read`() throws {
        var bytes = [UInt8](repeating: 0, count: 93)
        bytes.replaceSubrange(
            20..<32, with: [1] + Array("F".utf8) + [3] + Array("ISI".utf8) + [4] + Array("ARPA".utf8) + [0])
        bytes.replaceSubrange(40..<46, with: [3] + Array("FOO".utf8) + [0xc0, 20])
        bytes.replaceSubrange(64..<66, with: [0xc0, 26])
        let expected = [20: ("F.ISI.ARPA.", 32), 40: ("FOO.F.ISI.ARPA.", 46), 64: ("ARPA.", 66), 92: (".", 93)]
        for (offset, (text, end)) in expected {
            var reader = MessageReader(bytes)
            _ = try reader.readBytes(offset)
            #expect(try reader.readName().description == text)
            #expect(reader.position == end)
        }
    }

    @Test(
        arguments: [[0xc0, 0], [1, 97, 0xc0, 0], [0xc0, 2, 0xc0, 0], [0xc0, 9, 0], [0x40, 0], [0x80, 0]] as [[UInt8]])
    func `pointers that lead on or back to themselves are refused`(bytes: [UInt8]) {
        var reader = MessageReader(bytes)
        #expect(throws: WireError.self) { try reader.readName() }
    }

    @Test func `a chain of pointers as long as the message ends`() throws {
        // Each pointer leads to the one before it.
        var bytes: [UInt8] = [0, 0]
        for index in 1..<4000 { bytes += [0xc0 | UInt8((index - 1) * 2 >> 8), UInt8((index - 1) * 2 & 255)] }
        var reader = MessageReader(bytes)
        _ = try reader.readBytes(bytes.count - 2)
        #expect(try reader.readName().isRoot)
    }

    @Test func `names of one message are compressed against each other, in any case`() throws {
        var writer = MessageWriter(skipping: 12)
        for text in ["F.ISI.ARPA", "foo.f.isi.arpa", "ARPA", "."] {
            writer.append(try #require(DomainName(text)), compressed: true)
        }
        let expected: [UInt8] = [1, 70, 3, 73, 83, 73, 4, 65, 82, 80, 65, 0, 3, 102, 111, 111, 0xc0, 12, 0xc0, 18, 0]
        #expect(Array(writer.bytes[12...]) == expected)
    }

    @Test func `names that begin beyond the reach of a pointer are written whole`() throws {
        var writer = MessageWriter(skipping: 0x4000)
        let name = try #require(DomainName("far.away"))
        writer.append(name, compressed: true)
        writer.append(name, compressed: true)
        #expect(writer.count == 0x4000 + 2 * name.wire.count)
    }

    @Test func `messages of every kind of record come back as they were`() throws {
        var random = SeededRandom(seed: 5)
        for _ in 0..<400 {
            let message = RandomMessage.make(using: &random)
            let bytes = message.bytes
            let again = try Message(parsing: bytes)
            #expect(again == message)
            #expect(again.bytes == bytes)
        }
    }

    @Test func `a message cut anywhere is refused`() throws {
        var random = SeededRandom(seed: 6)
        for _ in 0..<20 {
            let bytes = RandomMessage.make(using: &random).bytes
            for count in 0..<bytes.count {
                #expect(throws: WireError.self) { try Message(parsing: Array(bytes[..<count])) }
            }
            #expect(throws: WireError.trailingBytes) { try Message(parsing: bytes + [0]) }
        }
    }

    @Test func `bytes at random and changed messages are read or refused, and read messages can be written`() {
        var random = SeededRandom(seed: 7)
        for round in 0..<20_000 {
            var bytes: [UInt8]
            if round.isMultiple(of: 2) {
                bytes = (0..<Int.random(in: 0...80, using: &random)).map { _ in
                    UInt8.random(in: 0...255, using: &random)
                }
            } else {
                bytes = RandomMessage.make(using: &random).bytes
                for _ in 0..<Int.random(in: 1...6, using: &random) {
                    bytes[Int.random(in: bytes.indices, using: &random)] = UInt8.random(in: 0...255, using: &random)
                }
            }
            guard let message = try? Message(parsing: bytes) else { continue }
            #expect((try? Message(parsing: message.bytes))?.answers == message.answers)
        }
    }

    @Test func `records are printed as lines of a zone file`() throws {
        let name = try #require(DomainName("a.example"))
        let lines: [(RecordType, RecordData, String)] = [
            (.a, .a(IPv4Address(192, 0, 2, 1)), "A 192.0.2.1"), (.ns, .name(name), "NS a.example."),
            (.mx, .preference(10, name), "MX 10 a.example."),
            (.txt, .text([Array("say \"hi\"".utf8), []]), "TXT \"say \\\"hi\\\"\" \"\""),
            (.srv, .service(priority: 0, weight: 5, port: 80, target: name), "SRV 0 5 80 a.example."),
            (RecordType(rawValue: 999), .opaque([1, 0xab]), "TYPE999 \\# 2 01ab"),
        ]
        for (type, data, text) in lines {
            #expect(ResourceRecord(name, type, ttl: 30, data).description == "a.example. 30 IN " + text)
        }
    }
}

/// Messages with names that share their ends, and records of all kinds that are told apart.
enum RandomMessage {
    static func make(using random: inout SeededRandom) -> Message {
        var message = Message(id: UInt16.random(in: .min ... .max, using: &random))
        message.flags.rawValue = UInt16.random(in: .min ... .max, using: &random) & 0xfbff
        if Bool.random(using: &random) {
            message.question = Message.Question(
                name(&random), RecordType(rawValue: UInt16.random(in: 1...300, using: &random)))
        }
        message.answers = records(&random)
        message.authorities = records(&random)
        message.additional = records(&random)
        if Bool.random(using: &random) {
            var edns = EDNS()
            edns.payloadBytes = UInt16.random(in: .min ... .max, using: &random)
            edns.wantsSignatures = Bool.random(using: &random)
            edns.extendedCode = UInt8.random(in: 0...255, using: &random)
            edns.options = [EDNS.Option(code: 10, value: bytes(&random))]
            message.edns = edns
        }
        return message
    }

    private static func name(_ random: inout SeededRandom) -> DomainName {
        let ends = ["svc.cluster.local", "example.com", "local", "."]
        let end = DomainName(ends[Int.random(in: ends.indices, using: &random)]) ?? .root
        let labels = (0..<Int.random(in: 0...3, using: &random)).map { _ in "l\(Int.random(in: 0...5, using: &random))"
        }
        return labels.reduce(end) { $0.prepending($1) ?? $0 }
    }

    private static func bytes(_ random: inout SeededRandom) -> [UInt8] {
        (0..<Int.random(in: 0...20, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
    }

    private static func records(_ random: inout SeededRandom) -> [ResourceRecord] {
        (0..<Int.random(in: 0...4, using: &random)).map { _ in
            let (type, data) = typed(&random)
            return ResourceRecord(name(&random), type, ttl: UInt32.random(in: .min ... .max, using: &random), data)
        }
    }

    private static func typed(_ random: inout SeededRandom) -> (RecordType, RecordData) {
        let number = UInt32.random(in: .min ... .max, using: &random)
        let short = UInt16(truncatingIfNeeded: number)
        switch Int.random(in: 0...9, using: &random) {
        case 0: return (.a, .a(IPv4Address(rawValue: number)))
        case 1: return (.aaaa, .aaaa(IPv6Address(high: UInt64(number) << 20, low: UInt64(number))))
        case 2: return (.cname, .name(name(&random)))
        case 3: return (.ptr, .name(name(&random)))
        case 4: return (.dname, .name(name(&random)))
        case 5: return (.mx, .preference(short, name(&random)))
        case 6: return (.txt, .text([bytes(&random), bytes(&random)]))
        case 7: return (.srv, .service(priority: short, weight: 1, port: 2, target: name(&random)))
        case 8:
            return (
                .soa,
                .authority(
                    RecordData.Authority(
                        server: name(&random), mailbox: name(&random), serial: number, refresh: 1, retry: 2, expire: 3,
                        minimum: 4))
            )
        default: return (RecordType(rawValue: 65280), .opaque(bytes(&random)))
        }
    }
}
