package import Wire

/// A STUN message (RFC 8489 §5): type (2), length of what follows the header (2), transaction (16), then attributes.
///
/// The first four bytes of the transaction are the magic cookie; where they are not, the message is of RFC 3489, which has
/// transactions of 128 bits and no XOR-MAPPED-ADDRESS.
package struct STUNMessage: Equatable, Sendable {
    /// What a Binding message is; its two bits lie at 4 and 8 of the type.
    package enum Kind: UInt16, CaseIterable, Sendable {
        case request = 0x0001
        case indication = 0x0011
        case success = 0x0101
        case error = 0x0111
    }

    package static let magicCookie: UInt32 = 0x2112_a442
    package static let headerSize = 20
    /// What is larger is no message of anybody's for us, and attributes beyond this count are refused.
    package static let sizeLimit = 1500
    package static let attributeLimit = 32

    package var kind: Kind
    package var transaction: STUNTransaction
    package var attributes: [STUNAttribute]

    package init(_ kind: Kind, _ transaction: STUNTransaction, _ attributes: [STUNAttribute] = []) {
        self.kind = kind
        self.transaction = transaction
        self.attributes = attributes
    }

    /// Whether a datagram is for STUN and not for the tunnels: a Binding message of the length that it states. A tunnel message
    /// begins with 1–4 and three zero bytes, which no such type does.
    package static func isPlausible(_ datagram: [UInt8]) -> Bool {
        guard (headerSize...sizeLimit).contains(datagram.count), datagram.count % 4 == 0,
            Kind(rawValue: UInt16(datagram[0]) << 8 | UInt16(datagram[1])) != nil
        else { return false }
        return Int(datagram[2]) << 8 | Int(datagram[3]) == datagram.count - headerSize
    }
}

/// What ties an answer to its request: the cookie and 96 random bits, or 128 random bits in RFC 3489.
package struct STUNTransaction: Hashable, Sendable {
    package let high: UInt64
    package let low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// A new one, with the cookie.
    package init(using random: inout some RandomNumberGenerator) {
        high = UInt64(STUNMessage.magicCookie) << 32 | UInt64(UInt32.random(in: .min ... .max, using: &random))
        low = UInt64.random(in: .min ... .max, using: &random)
    }

    /// Whether its message follows RFC 3489.
    package var isClassic: Bool { UInt32(truncatingIfNeeded: high >> 32) != STUNMessage.magicCookie }

    /// Cookie and identifier, which XOR-MAPPED-ADDRESS is masked with (RFC 8489 §14.2).
    var mask: [UInt8] {
        var writer = ByteWriter(capacity: 16)
        writer.append(bigEndian: high)
        writer.append(bigEndian: low)
        return writer.bytes
    }
}

extension STUNMessage {
    /// Reads a whole datagram. What follows FINGERPRINT is refused; a FINGERPRINT that does not match, too.
    package init(parsing datagram: [UInt8]) throws(WireError) {
        guard datagram.count <= Self.sizeLimit else { throw .invalidField("message length") }
        var reader = ByteReader(datagram.span)
        let type = try reader.readBigEndianUInt16()
        guard let kind = Kind(rawValue: type) else { throw .unexpectedType(UInt8(truncatingIfNeeded: type >> 8)) }
        let length = Int(try reader.readBigEndianUInt16())
        transaction = STUNTransaction(high: try reader.readBigEndianUInt64(), low: try reader.readBigEndianUInt64())
        guard length % 4 == 0 else { throw .invalidField("message length") }
        guard reader.remaining >= length else { throw .truncated }
        guard reader.remaining == length else { throw .trailingBytes }
        self.kind = kind
        attributes = []
        while reader.remaining > 0 {
            guard attributes.count < Self.attributeLimit else { throw .invalidField("attribute count") }
            let start = reader.position
            let attribute = try STUNAttribute(from: &reader, transaction: transaction)
            attributes.append(attribute)
            guard case .fingerprint(let checksum) = attribute else { continue }
            guard reader.remaining == 0 else { throw .trailingBytes }
            guard checksum == Self.fingerprint(of: datagram[..<start]) else { throw .invalidField("fingerprint") }
        }
    }

    /// The bytes; with a FINGERPRINT at the end unless the message is of RFC 3489.
    package var encoded: [UInt8] {
        var body = ByteWriter(capacity: 128)
        for attribute in attributes { attribute.write(to: &body, transaction: transaction) }
        let size = body.count + (transaction.isClassic ? 0 : STUNAttribute.fingerprintSize)
        var writer = ByteWriter(capacity: Self.headerSize + size)
        writer.append(bigEndian: kind.rawValue)
        writer.append(bigEndian: UInt16(size))
        writer.append(bigEndian: transaction.high)
        writer.append(bigEndian: transaction.low)
        writer.append(body.bytes)
        if !transaction.isClassic {
            STUNAttribute.fingerprint(Self.fingerprint(of: writer.bytes[...]))
                .write(to: &writer, transaction: transaction)
        }
        return writer.bytes
    }

    /// CRC-32 of what stands before the attribute, XORed with "STUN" (RFC 8489 §14.7).
    private static func fingerprint(of bytes: ArraySlice<UInt8>) -> UInt32 { CRC32.checksum(of: bytes) ^ 0x5354_554e }

    /// How many bytes the message has.
    var size: Int {
        Self.headerSize + attributes.reduce(0) { $0 + $1.size }
            + (transaction.isClassic ? 0 : STUNAttribute.fingerprintSize)
    }
}

// What the attributes say, each the first of its kind (RFC 8489 §14).
extension STUNMessage {
    /// The source of the request as the server saw it.
    package var mappedEndpoint: Endpoint? {
        for case .xorMappedAddress(let endpoint) in attributes { return endpoint }
        for case .mappedAddress(let endpoint) in attributes { return endpoint }
        return nil
    }

    /// Another address and port of the server (RFC 5780 §7.4), by its old name too.
    package var otherEndpoint: Endpoint? {
        for case .otherAddress(let endpoint) in attributes { return endpoint }
        for case .changedAddress(let endpoint) in attributes { return endpoint }
        return nil
    }

    /// What the request asks to be changed of the answer's source; `nil` without the attribute.
    package var changeRequest: STUNAttribute.Change? {
        for case .changeRequest(let change) in attributes { return change }
        return nil
    }

    /// Types of attributes that a server must refuse because it does not know them.
    var unknownRequired: [UInt16] {
        attributes.compactMap { attribute in
            if case .unknown(let type, _) = attribute, type < 0x8000 { type } else { nil }
        }
    }
}
