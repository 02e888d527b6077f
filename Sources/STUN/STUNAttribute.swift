package import Wire

/// An attribute of a STUN message: type (2), length of its value (2), the value, padding up to four bytes.
package enum STUNAttribute: Equatable, Sendable {
    /// RFC 5780 §7.2: from where the answer is to come.
    package struct Change: OptionSet, Hashable, Sendable {
        package let rawValue: UInt32

        package init(rawValue: UInt32) { self.rawValue = rawValue }

        package static let port = Change(rawValue: 2)
        package static let address = Change(rawValue: 4)
    }

    case mappedAddress(Endpoint)
    case changeRequest(Change)
    /// RFC 3489 §11.2.5: where the answer comes from.
    case sourceAddress(Endpoint)
    /// RFC 3489 §11.2.3: where it would come from if address and port were changed.
    case changedAddress(Endpoint)
    case errorCode(Int, reason: String)
    case unknownAttributes([UInt16])
    case xorMappedAddress(Endpoint)
    /// RFC 5780 §7.6, in bytes.
    case padding(Int)
    case software(String)
    case fingerprint(UInt32)
    /// RFC 5780 §7.3 and §7.4.
    case responseOrigin(Endpoint)
    case otherAddress(Endpoint)
    case unknown(type: UInt16, value: [UInt8])

    static let headerSize = 4
    static let fingerprintSize = 8

    private enum Code: UInt16 {
        case mappedAddress = 0x0001
        case changeRequest = 0x0003
        case sourceAddress = 0x0004
        case changedAddress = 0x0005
        case errorCode = 0x0009
        case unknownAttributes = 0x000a
        case xorMappedAddress = 0x0020
        case padding = 0x0026
        case software = 0x8022
        case fingerprint = 0x8028
        case responseOrigin = 0x802b
        case otherAddress = 0x802c
    }

    init(from reader: inout ByteReader, transaction: STUNTransaction) throws(WireError) {
        let type = try reader.readBigEndianUInt16()
        let value = try reader.readLengthPrefixedBytes()
        try reader.skip(Self.fill(value.count))
        var fields = ByteReader(value.span)
        switch Code(rawValue: type) {
        case .mappedAddress: self = .mappedAddress(try fields.readSTUNEndpoint())
        case .sourceAddress: self = .sourceAddress(try fields.readSTUNEndpoint())
        case .changedAddress: self = .changedAddress(try fields.readSTUNEndpoint())
        case .responseOrigin: self = .responseOrigin(try fields.readSTUNEndpoint())
        case .otherAddress: self = .otherAddress(try fields.readSTUNEndpoint())
        case .xorMappedAddress: self = .xorMappedAddress(try fields.readSTUNEndpoint().masked(by: transaction))
        case .changeRequest: self = .changeRequest(Change(rawValue: try fields.readBigEndianUInt32()))
        case .errorCode:
            try fields.skip(2)
            let hundreds = try fields.readUInt8() & 7
            let rest = try fields.readUInt8()
            guard (3...6).contains(hundreds), rest < 100 else { throw .invalidField("error code") }
            let reason = String(validating: fields.readRemaining(), as: UTF8.self) ?? ""
            self = .errorCode(Int(hundreds) * 100 + Int(rest), reason: reason)
        case .unknownAttributes:
            var types: [UInt16] = []
            while fields.remaining > 0 { types.append(try fields.readBigEndianUInt16()) }
            self = .unknownAttributes(types)
        case .padding:
            try fields.skip(value.count)
            self = .padding(value.count)
        case .software:
            self = .software(String(validating: fields.readRemaining(), as: UTF8.self) ?? "")
        case .fingerprint: self = .fingerprint(try fields.readBigEndianUInt32())
        case nil: self = .unknown(type: type, value: fields.readRemaining())
        }
        try fields.finish()
    }

    func write(to writer: inout ByteWriter, transaction: STUNTransaction) {
        var value = ByteWriter(capacity: 20)
        switch self {
        case .mappedAddress(let endpoint), .sourceAddress(let endpoint), .changedAddress(let endpoint),
            .responseOrigin(let endpoint), .otherAddress(let endpoint):
            value.append(stun: endpoint)
        case .xorMappedAddress(let endpoint): value.append(stun: endpoint.masked(by: transaction))
        case .changeRequest(let change): value.append(bigEndian: change.rawValue)
        case .errorCode(let code, let reason):
            value.append([0, 0, UInt8(clamping: code / 100), UInt8(clamping: code % 100)])
            value.append(Array(reason.utf8))
        case .unknownAttributes(let types):
            for type in types { value.append(bigEndian: type) }
        case .padding(let count): value.append([UInt8](repeating: 0, count: count))
        case .software(let name): value.append(Array(name.utf8))
        case .fingerprint(let checksum): value.append(bigEndian: checksum)
        case .unknown(_, let bytes): value.append(bytes)
        }
        writer.append(bigEndian: type)
        writer.append(lengthPrefixed: value.bytes)
        writer.append([UInt8](repeating: 0, count: Self.fill(value.count)))
    }

    /// Bytes on the wire.
    var size: Int {
        var writer = ByteWriter()
        write(to: &writer, transaction: STUNTransaction(high: 0, low: 0))
        return writer.count
    }

    private var type: UInt16 {
        let code: Code
        switch self {
        case .mappedAddress: code = .mappedAddress
        case .changeRequest: code = .changeRequest
        case .sourceAddress: code = .sourceAddress
        case .changedAddress: code = .changedAddress
        case .errorCode: code = .errorCode
        case .unknownAttributes: code = .unknownAttributes
        case .xorMappedAddress: code = .xorMappedAddress
        case .padding: code = .padding
        case .software: code = .software
        case .fingerprint: code = .fingerprint
        case .responseOrigin: code = .responseOrigin
        case .otherAddress: code = .otherAddress
        case .unknown(let type, _): return type
        }
        return code.rawValue
    }

    /// Bytes that fill a value up to a multiple of four.
    private static func fill(_ count: Int) -> Int { (4 - count % 4) % 4 }
}

extension Endpoint {
    /// Port and address XORed with cookie and transaction (RFC 8489 §14.2), which also takes the mask off again.
    fileprivate func masked(by transaction: STUNTransaction) -> Endpoint {
        let mask = transaction.mask
        let masked = zip(address.bytes, mask).map { $0 ^ $1 }
        let portMask = UInt16(mask[0]) << 8 | UInt16(mask[1])
        return Endpoint(IPAddress(bytes: masked) ?? address, port: port ^ portMask)
    }
}

extension ByteReader {
    /// An unused byte, the family (1: IPv4, 2: IPv6), port, address (RFC 8489 §14.1).
    fileprivate mutating func readSTUNEndpoint() throws(WireError) -> Endpoint {
        try skip(1)
        let family = try readUInt8()
        guard family == 1 || family == 2 else { throw .invalidField("family") }
        let port = try readBigEndianUInt16()
        guard let address = IPAddress(bytes: try readBytes(family == 1 ? 4 : 16)) else {
            throw .invalidField("address")
        }
        return Endpoint(address, port: port)
    }
}

extension ByteWriter {
    fileprivate mutating func append(stun endpoint: Endpoint) {
        append([0, endpoint.address.isIPv4 ? 1 : 2])
        append(bigEndian: endpoint.port)
        append(endpoint.address.bytes)
    }
}
