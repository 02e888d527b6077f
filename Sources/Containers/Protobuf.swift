/// Writes a Protocol Buffers message field by field (encoding: protobuf.dev/programming-guides/encoding).
struct ProtobufWriter {
    private(set) var bytes: [UInt8] = []

    mutating func put(_ field: UInt64, text: String) {
        putVarint(field << 3 | 2)
        putVarint(UInt64(text.utf8.count))
        bytes += text.utf8
    }

    private mutating func putVarint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }
}

/// Reads a Protocol Buffers message field by field; fields that the caller does not know are passed over.
struct ProtobufReader {
    enum Value: Equatable {
        /// A number; fixed ones too.
        case number(UInt64)
        /// Text, bytes or a message.
        case block(ArraySlice<UInt8>)

        var number: UInt64 {
            if case .number(let number) = self { number } else { 0 }
        }

        var block: ArraySlice<UInt8> {
            if case .block(let block) = self { block } else { [] }
        }

        var text: String { String(decoding: block, as: UTF8.self) }
    }

    private var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) {
        rest = bytes
    }

    /// The next field, or `nil` at the end.
    mutating func next() throws(RuntimeFailure) -> (field: UInt64, value: Value)? {
        guard !rest.isEmpty else { return nil }
        let key = try varint()
        guard key >> 3 > 0 else { throw .malformed("a message has a field 0") }
        switch key & 7 {
        case 0: return (key >> 3, .number(try varint()))
        case 1: return (key >> 3, .number(Self.number(try take(8))))
        case 2: return (key >> 3, .block(try take(try varint())))
        case 5: return (key >> 3, .number(Self.number(try take(4))))
        default: throw .malformed("a message has a field of type \(key & 7)")
        }
    }

    private mutating func varint() throws(RuntimeFailure) -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 70, by: 7) {
            guard let byte = rest.popFirst() else { break }
            value |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return value }
        }
        throw .malformed("a message ends within a number")
    }

    private mutating func take(_ count: UInt64) throws(RuntimeFailure) -> ArraySlice<UInt8> {
        guard count <= UInt64(rest.count) else { throw .malformed("a message is cut short") }
        defer { rest = rest.dropFirst(Int(count)) }
        return rest.prefix(Int(count))
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
}
