package import Wire

/// A record: a name's data of one type (RFC 1035 §3.2.1).
package struct ResourceRecord: Equatable, Sendable {
    package static let internet: UInt16 = 1

    package var name: DomainName
    package var type: RecordType
    package var recordClass = Self.internet
    /// Seconds.
    package var ttl: UInt32
    package var data: RecordData

    /// Precondition: `data` is of the type.
    package init(_ name: DomainName, _ type: RecordType, ttl: UInt32, _ data: RecordData) {
        self.name = name
        self.type = type
        self.ttl = ttl
        self.data = data
    }

    package init(_ name: DomainName, address: IPAddress, ttl: UInt32) {
        switch address {
        case .v4(let address): self.init(name, .a, ttl: ttl, .a(address))
        case .v6(let address): self.init(name, .aaaa, ttl: ttl, .aaaa(address))
        }
    }
}

extension ResourceRecord: CustomStringConvertible {
    /// The line of a zone file (RFC 1035 §5.1).
    package var description: String { "\(name) \(ttl) IN \(type) \(data)" }
}

/// What a record says; of types not listed here, the bytes as they are.
package enum RecordData: Equatable, Sendable {
    case a(IPv4Address)
    case aaaa(IPv6Address)
    /// NS, CNAME, PTR, DNAME and their like: one name.
    case name(DomainName)
    /// MX and its like (AFSDB, RT): a preference and a name.
    case preference(UInt16, DomainName)
    /// SOA.
    case authority(Authority)
    case text([[UInt8]])
    case service(priority: UInt16, weight: UInt16, port: UInt16, target: DomainName)
    case opaque([UInt8])

    /// RFC 1035 §3.3.13.
    package struct Authority: Equatable, Sendable {
        package var server: DomainName
        package var mailbox: DomainName
        package var serial: UInt32
        package var refresh: UInt32
        package var retry: UInt32
        package var expire: UInt32
        /// The seconds for which a denial may be remembered (RFC 2308 §4).
        package var minimum: UInt32
    }

    /// Types of one name. Those of RFC 1035 may be compressed, others must not (RFC 3597 §4), but are read all the same.
    private static let nameTypes: Set<UInt16> = [2, 3, 4, 5, 7, 8, 9, 12, 39]
    private static let preferenceTypes: Set<UInt16> = [15, 18, 21]

    /// Reads the `count` bytes of data that begin at the reader's position, names in them decompressed.
    init(_ type: RecordType, from reader: inout MessageReader, count: Int) throws(WireError) {
        let end = reader.position + count
        switch type.rawValue {
        case 1:
            self = .a(IPv4Address(rawValue: try reader.readUInt32()))
        case 28:
            let high = UInt64(try reader.readUInt32()) << 32 | UInt64(try reader.readUInt32())
            self = .aaaa(
                IPv6Address(high: high, low: UInt64(try reader.readUInt32()) << 32 | UInt64(try reader.readUInt32())))
        case let type where Self.nameTypes.contains(type):
            self = .name(try reader.readName())
        case let type where Self.preferenceTypes.contains(type):
            self = .preference(try reader.readUInt16(), try reader.readName())
        case 6:
            self = .authority(
                Authority(
                    server: try reader.readName(), mailbox: try reader.readName(), serial: try reader.readUInt32(),
                    refresh: try reader.readUInt32(), retry: try reader.readUInt32(), expire: try reader.readUInt32(),
                    minimum: try reader.readUInt32()))
        case 16:
            var texts: [[UInt8]] = []
            while reader.position < end { texts.append(try reader.readBytes(Int(try reader.readUInt8()))) }
            guard !texts.isEmpty else { throw .invalidField("TXT") }
            self = .text(texts)
        case 33:
            self = .service(
                priority: try reader.readUInt16(), weight: try reader.readUInt16(), port: try reader.readUInt16(),
                target: try reader.readName())
        default:
            self = .opaque(try reader.readBytes(count))
        }
        guard reader.position == end else { throw .invalidField("RDLENGTH") }
    }

    func write(_ type: RecordType, to writer: inout MessageWriter) {
        switch self {
        case .a(let address): writer.append(bigEndian: address.rawValue)
        case .aaaa(let address):
            for half in [address.high, address.low] {
                writer.append(bigEndian: UInt32(half >> 32))
                writer.append(bigEndian: UInt32(truncatingIfNeeded: half))
            }
        case .name(let name): writer.append(name, compressed: type != .dname)
        case .preference(let preference, let name):
            writer.append(bigEndian: preference)
            writer.append(name, compressed: type == .mx)
        case .authority(let authority):
            writer.append(authority.server, compressed: true)
            writer.append(authority.mailbox, compressed: true)
            for field in [authority.serial, authority.refresh, authority.retry, authority.expire, authority.minimum] {
                writer.append(bigEndian: field)
            }
        case .text(let texts):
            for text in texts {
                writer.append(UInt8(text.count))
                writer.append(text)
            }
        case .service(let priority, let weight, let port, let target):
            for field in [priority, weight, port] { writer.append(bigEndian: field) }
            writer.append(target, compressed: false)
        case .opaque(let bytes): writer.append(bytes)
        }
    }
}

extension RecordData: CustomStringConvertible {
    package var description: String {
        switch self {
        case .a(let address): address.description
        case .aaaa(let address): address.description
        case .name(let name): name.description
        case .preference(let preference, let name): "\(preference) \(name)"
        case .authority(let soa):
            "\(soa.server) \(soa.mailbox) \(soa.serial) \(soa.refresh) \(soa.retry) \(soa.expire) \(soa.minimum)"
        case .text(let texts):
            texts.map { "\"\(Self.quoted($0))\"" }.joined(separator: " ")
        case .service(let priority, let weight, let port, let target): "\(priority) \(weight) \(port) \(target)"
        case .opaque(let bytes): "\\# \(bytes.count) \(bytes.hexadecimal)"
        }
    }

    private static func quoted(_ text: [UInt8]) -> String {
        text.map { byte in
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): "\\" + String(UnicodeScalar(byte))
            case 32...126: String(UnicodeScalar(byte))
            default: "\\" + [byte / 100, byte / 10 % 10, byte % 10].map { String($0) }.joined()
            }
        }.joined()
    }
}
