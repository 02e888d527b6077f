/// A UDP or TCP address and port. IPv6 link-local endpoints carry the interface index as `scope`.
package struct Endpoint: Hashable, Comparable, Sendable {
    package var address: IPAddress
    package var port: UInt16
    /// Interface index for a link-local IPv6 address (RFC 4007), else 0.
    package var scope: UInt32

    package init(_ address: IPAddress, port: UInt16, scope: UInt32 = 0) {
        self.address = address
        self.port = port
        self.scope = scope
    }

    package static func < (left: Endpoint, right: Endpoint) -> Bool {
        (left.address, left.port, left.scope) < (right.address, right.port, right.scope)
    }
}

extension Endpoint: LosslessStringConvertible {
    /// Parses "192.0.2.1:20007" and "[2001:db8::1]:20007". No names: resolving is the caller's.
    package init?(_ text: some StringProtocol) {
        guard let colon = text.lastIndex(of: ":") else { return nil }
        let host = text[..<colon]
        let portText = text[text.index(after: colon)...]
        guard portText.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            let port = UInt16(portText)
        else { return nil }
        if host.hasPrefix("["), host.hasSuffix("]") {
            guard let address = IPv6Address(host.dropFirst().dropLast()) else { return nil }
            self.init(.v6(address), port: port)
        } else {
            guard let address = IPv4Address(host) else { return nil }
            self.init(.v4(address), port: port)
        }
    }

    package init?(_ text: String) {
        self.init(text[...])
    }

    package var description: String {
        switch address {
        case .v4(let address): "\(address):\(port)"
        case .v6(let address): "[\(address)\(scope == 0 ? "" : "%\(scope)")]:\(port)"
        }
    }
}

extension ByteReader {
    /// One byte of family (4 or 6), the address in network order, the port big-endian.
    package mutating func readEndpoint() throws(WireError) -> Endpoint {
        let address = try readAddress()
        return Endpoint(address, port: try readBigEndianUInt16())
    }

    /// One byte of family (4 or 6), then the address in network order.
    package mutating func readAddress() throws(WireError) -> IPAddress {
        let family = try readUInt8()
        guard family == 4 || family == 6 else { throw .invalidField("family") }
        guard let address = IPAddress(bytes: try readBytes(family == 4 ? 4 : 16)) else {
            throw .invalidField("address")
        }
        return address
    }

    /// An address, then one byte of prefix length. Host bits must be zero.
    package mutating func readPrefix() throws(WireError) -> IPPrefix {
        let address = try readAddress()
        let length = Int(try readUInt8())
        guard let prefix = IPPrefix(address, length: length), prefix.address == address else {
            throw .invalidField("prefix")
        }
        return prefix
    }
}

extension ByteWriter {
    package mutating func append(_ endpoint: Endpoint) {
        append(endpoint.address)
        append(bigEndian: endpoint.port)
    }

    package mutating func append(_ address: IPAddress) {
        append(address.isIPv4 ? 4 : 6 as UInt8)
        append(address.bytes)
    }

    package mutating func append(_ prefix: IPPrefix) {
        append(prefix.address)
        append(UInt8(prefix.length))
    }
}
