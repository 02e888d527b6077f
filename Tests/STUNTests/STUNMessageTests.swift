import STUN
import SansIO
import Testing
import Wire

@Suite struct STUNMessageTests {
    /// RFC 5769 §2.2, without its integrity and fingerprint, whose presence the length tells.
    private static let transaction = STUNTransaction(high: 0x2112_a442_b7e7_a701, low: 0xbc34_d686_fa87_dfae)

    @Test func `the mapped addresses of the published examples are read`() throws {
        let header: [UInt8] =
            [0x01, 0x01, 0, 12, 0x21, 0x12, 0xa4, 0x42] + [0xb7, 0xe7, 0xa7, 0x01]
            + [0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae]
        let mapped: [UInt8] = [0, 0x20, 0, 8, 0, 1, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43]
        let message = try STUNMessage(parsing: header + mapped)
        #expect(message.transaction == Self.transaction)
        #expect(message.mappedEndpoint == Endpoint("192.0.2.1:32853"))
        var longer = header
        longer[3] = 24
        let mapped6: [UInt8] =
            [0, 0x20, 0, 20, 0, 2, 0xa1, 0x47, 0x01, 0x13, 0xa9, 0xfa, 0xa5, 0xd3, 0xf1, 0x79]
            + [0xbc, 0x25, 0xf4, 0xb5, 0xbe, 0xd2, 0xb9, 0xd9]
        let message6 = try STUNMessage(parsing: longer + mapped6)
        #expect(message6.mappedEndpoint == Endpoint("[2001:db8:1234:5678:11:2233:4455:6677]:32853"))
    }

    /// RFC 5769 §2.1 as published.
    private static let published: [UInt8] = [
        0x00, 0x01, 0x00, 0x58, 0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87,
        0xdf, 0xae, 0x80, 0x22, 0x00, 0x10, 0x53, 0x54, 0x55, 0x4e, 0x20, 0x74, 0x65, 0x73, 0x74, 0x20, 0x63, 0x6c,
        0x69, 0x65, 0x6e, 0x74, 0x00, 0x24, 0x00, 0x04, 0x6e, 0x00, 0x01, 0xff, 0x80, 0x29, 0x00, 0x08, 0x93, 0x2f,
        0xf9, 0xb1, 0x51, 0x26, 0x3b, 0x36, 0x00, 0x06, 0x00, 0x09, 0x65, 0x76, 0x74, 0x6a, 0x3a, 0x68, 0x36, 0x76,
        0x59, 0x20, 0x20, 0x20, 0x00, 0x08, 0x00, 0x14, 0x9a, 0xea, 0xa7, 0x0c, 0xbf, 0xd8, 0xcb, 0x56, 0x78, 0x1e,
        0xf2, 0xb5, 0xb2, 0xd3, 0xf2, 0x49, 0xc1, 0xb5, 0x71, 0xa2, 0x80, 0x28, 0x00, 0x04, 0xe5, 0x7a, 0x3b, 0xcf,
    ]

    @Test func `a published request is read and its fingerprint holds`() throws {
        let message = try STUNMessage(parsing: Self.published)
        #expect(message.kind == .request)
        #expect(message.attributes.first == .software("STUN test client"))
        var forged = Self.published
        forged[30] ^= 1
        #expect(throws: WireError.invalidField("fingerprint")) { try STUNMessage(parsing: forged) }
    }

    @Test func `what is written is read back`() throws {
        let endpoints = [Endpoint("192.0.2.1:1")!, Endpoint("[2001:db8::1]:65535")!]
        for transaction in [Self.transaction, STUNTransaction(high: 1, low: 2)] {
            for endpoint in endpoints {
                let message = STUNMessage(
                    .success, transaction,
                    [
                        .mappedAddress(endpoint), .sourceAddress(endpoint), .changedAddress(endpoint),
                        .xorMappedAddress(endpoint), .responseOrigin(endpoint), .otherAddress(endpoint),
                        .changeRequest([.address, .port]), .errorCode(420, reason: "Unknown Attribute"),
                        .unknownAttributes([3, 0x27, 0x1234]), .padding(13), .software("a name"),
                        .unknown(type: 0x7fff, value: [1, 2, 3, 4, 5]),
                    ])
                let bytes = message.encoded
                #expect(STUNMessage.isPlausible(bytes))
                var read = try STUNMessage(parsing: bytes)
                if !transaction.isClassic { read.attributes.removeLast() }
                #expect(read == message)
            }
        }
    }

    @Test func `a tunnel message is not taken for one of STUN`() {
        for type in 1...4 as ClosedRange<UInt8> {
            for count in [32, 64, 92, 148] {
                #expect(!STUNMessage.isPlausible([type, 0, 0, 0] + [UInt8](repeating: 0, count: count - 4)))
            }
        }
        #expect(!STUNMessage.isPlausible([]))
        #expect(STUNMessage.isPlausible([0, 1, 0, 0] + [UInt8](repeating: 7, count: 16)))
    }

    @Test func `no bytes stop the reader, and a message cut or lengthened is refused`() {
        var random = SeededRandom(seed: 1)
        for count in Self.published.indices {
            #expect(throws: WireError.self) { try STUNMessage(parsing: Array(Self.published[..<count])) }
        }
        #expect(throws: WireError.self) { try STUNMessage(parsing: Self.published + [0, 0, 0, 0]) }
        for _ in 0..<20_000 {
            var bytes = Self.published
            for _ in 0..<Int.random(in: 1...8, using: &random) {
                let index = Int.random(in: 0..<bytes.count, using: &random)
                bytes[index] = UInt8.random(in: 0...255, using: &random)
            }
            // Without the last attribute, so that the fingerprint does not refuse everything.
            bytes = Array(bytes.prefix(bytes.count - 8))
            bytes[3] = UInt8(bytes.count - 20)
            guard let message = try? STUNMessage(parsing: bytes) else { continue }
            #expect(message.attributes.count <= STUNMessage.attributeLimit)
            _ = message.encoded
        }
    }

    @Test func `what is longer than a datagram of ours is refused`() {
        let huge = STUNMessage(.request, Self.transaction, [.padding(2000)]).encoded
        #expect(!STUNMessage.isPlausible(huge))
        #expect(throws: WireError.self) { try STUNMessage(parsing: huge) }
    }
}
