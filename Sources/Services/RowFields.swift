import Wire

/// The kinds of field that rows are made of.
extension ByteWriter {
    /// Cut at 65,535 bytes, which no name has.
    mutating func append(text: String) { append(lengthPrefixed: Array(text.utf8.prefix(Int(UInt16.max)))) }

    mutating func append(optional text: String?) {
        append(text == nil ? 0 : 1)
        if let text { append(text: text) }
    }

    /// LEB128.
    mutating func append(count: Int) {
        var rest = UInt64(count)
        while rest >= 0x80 {
            append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        append(UInt8(truncatingIfNeeded: rest))
    }

    mutating func append(_ address: IPAddress) {
        append(address.isIPv4 ? 4 : 16)
        append(address.bytes)
    }

    mutating func append(_ prefix: IPPrefix) {
        append(prefix.address)
        append(UInt8(prefix.length))
    }
}

extension ByteReader {
    mutating func readText() throws(WireError) -> String {
        guard let text = String(validating: try readLengthPrefixedBytes(), as: UTF8.self) else {
            throw .invalidField("text")
        }
        return text
    }

    mutating func readOptionalText() throws(WireError) -> String? {
        try readFlag() ? try readText() : nil
    }

    mutating func readFlag() throws(WireError) -> Bool {
        let byte = try readUInt8()
        guard byte <= 1 else { throw .invalidField("flag") }
        return byte == 1
    }

    /// A number of things that follow, each of at least one byte, or an index of one.
    mutating func readCount() throws(WireError) -> Int {
        var count = 0
        for shift in stride(from: 0, to: 28, by: 7) {
            let byte = try readUInt8()
            count |= Int(byte & 0x7f) << shift
            if byte < 0x80 { return count }
        }
        throw .invalidField("count")
    }

    mutating func readAddress() throws(WireError) -> IPAddress {
        let length = try readUInt8()
        guard length == 4 || length == 16, let address = IPAddress(bytes: try readBytes(Int(length))) else {
            throw .invalidField("address")
        }
        return address
    }

    mutating func readPrefix() throws(WireError) -> IPPrefix {
        let address = try readAddress()
        guard let prefix = IPPrefix(address, length: Int(try readUInt8())), prefix.address == address else {
            throw .invalidField("prefix")
        }
        return prefix
    }

    mutating func readAddresses() throws(WireError) -> [IPAddress] {
        var addresses: [IPAddress] = []
        for _ in 0..<(try readCount()) { addresses.append(try readAddress()) }
        return addresses
    }

    mutating func readPrefixes() throws(WireError) -> [IPPrefix] {
        var prefixes: [IPPrefix] = []
        for _ in 0..<(try readCount()) { prefixes.append(try readPrefix()) }
        return prefixes
    }

    mutating func readTransport() throws(WireError) -> TransportProtocol {
        guard let transport = TransportProtocol(rawValue: try readUInt8()) else { throw .invalidField("protocol") }
        return transport
    }
}

extension ByteWriter {
    mutating func append(_ addresses: [IPAddress]) {
        append(count: addresses.count)
        for address in addresses { append(address) }
    }

    mutating func append(_ prefixes: [IPPrefix]) {
        append(count: prefixes.count)
        for prefix in prefixes { append(prefix) }
    }
}
