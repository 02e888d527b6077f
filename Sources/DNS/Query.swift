/// What a query asks and how its answer must look, without its question, which stays where it was received.
///
/// ```
///   0        12                      questionEnd
///   | header | name | type | class | OPT, if any |
/// ```
package struct Query: Equatable, Sendable {
    package let id: UInt16
    package let flags: MessageFlags
    package let type: RecordType
    package let questionClass: UInt16
    /// Where the question ends in the query, and in its answer.
    package let questionEnd: Int
    /// Whether there was an OPT record, so that the answer has one.
    package let hasEDNS: Bool
    package let wantsSignatures: Bool
    /// The bytes of UDP that the sender takes at once, as it says.
    package let payloadBytes: Int

    /// Why bytes are not a query that could be answered with data.
    package enum Refusal: Error, Equatable, Sendable {
        /// Too short for a header, or itself an answer: nothing is sent back.
        case drop
        /// Answered with this code, and the question if it could be read.
        case reply(ResponseCode, Query)
    }
}

/// The question's name as the index and the cache know it: in lower case, with its hash. Serves one query after another.
package struct QueryName: Sendable {
    package private(set) var wire: [UInt8] = []
    package private(set) var hash: UInt64 = 0

    package init() {
        wire.reserveCapacity(DomainName.limitBytes)
    }

    package init(_ name: DomainName) {
        wire = name.wire.asciiLowercased
        hash = NameHash.of(wire[...])
    }

    /// Where each label begins, the root's included.
    var labelStarts: [Int] {
        var starts = [0]
        while wire[starts[starts.count - 1]] != 0 {
            starts.append(starts[starts.count - 1] + Int(wire[starts[starts.count - 1]]) + 1)
        }
        return starts
    }

    var name: DomainName { DomainName(checked: wire) }

    /// Takes the name at `start`, uncompressed as a question's is; returns where it ends, or `nil` if it is none.
    mutating func read(_ message: Span<UInt8>, from start: Int) -> Int? {
        wire.removeAll(keepingCapacity: true)
        var position = start
        while true {
            guard position < message.count else { return nil }
            let length = Int(message[position])
            let end = position + length
            guard length < 64, end < message.count, wire.count + length + 1 <= DomainName.limitBytes else { return nil }
            while position <= end {
                wire.append(message[position].asciiLowercased)
                position += 1
            }
            if length == 0 { break }
        }
        hash = NameHash.of(wire[...])
        return position
    }
}

/// FNV-1a of 64 bits, ended by a mixing of the high bits into the low ones, which the tables use.
enum NameHash {
    static func of(_ lowercasedWire: ArraySlice<UInt8>) -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in lowercasedWire {
            hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3
        }
        return hash ^ hash >> 32
    }
}

extension Query {
    /// Reads a query, and its name into `name`.
    package static func read(_ message: Span<UInt8>, name: inout QueryName) throws(Refusal) -> Query {
        guard message.count >= Message.headerBytes else { throw .drop }
        let flags = MessageFlags(rawValue: message.uint16(at: 2))
        guard !flags.isResponse else { throw .drop }
        let bare = Query(numbered: message.uint16(at: 0), flags: flags, questionEnd: Message.headerBytes)
        guard flags.opcode == 0 else { throw .reply(.notImplemented, bare) }
        guard message.uint16(at: 4) == 1, let nameEnd = name.read(message, from: Message.headerBytes),
            message.count >= nameEnd + 4
        else { throw .reply(.formatError, bare) }
        let end = nameEnd + 4
        let type = RecordType(rawValue: message.uint16(at: nameEnd))
        let questionClass = message.uint16(at: nameEnd + 2)
        let plain = Query(
            numbered: bare.id, flags: flags, type: type, questionClass: questionClass, questionEnd: end)
        guard message.uint32(at: 6) == 0 || message.count > end else { throw .reply(.formatError, plain) }
        if message.count == end {
            guard message.uint16(at: 10) == 0 else { throw .reply(.formatError, plain) }
            return plain
        }
        guard let options = Options(message, from: end) else { throw .reply(.formatError, plain) }
        guard let payload = options.payloadBytes else { return plain }
        let query = Query(
            numbered: bare.id, flags: flags, type: type, questionClass: questionClass, questionEnd: end,
            hasEDNS: true, wantsSignatures: options.wantsSignatures, payloadBytes: payload)
        guard options.version == 0 else { throw .reply(.badVersion, query) }
        return query
    }

    private init(
        numbered id: UInt16, flags: MessageFlags, type: RecordType = .a, questionClass: UInt16 = 1, questionEnd: Int,
        hasEDNS: Bool = false, wantsSignatures: Bool = false, payloadBytes: Int = 512
    ) {
        self.id = id
        self.flags = flags
        self.type = type
        self.questionClass = questionClass
        self.questionEnd = questionEnd
        self.hasEDNS = hasEDNS
        self.wantsSignatures = wantsSignatures
        self.payloadBytes = payloadBytes
    }

    /// What follows the question: records of any kind are passed over, OPT is kept.
    private struct Options {
        var payloadBytes: Int?
        var version: UInt8 = 0
        var wantsSignatures = false

        init?(_ message: Span<UInt8>, from start: Int) {
            var position = start
            let before = Int(message.uint16(at: 6)) + Int(message.uint16(at: 8))
            for index in 0..<(before + Int(message.uint16(at: 10))) {
                let isRoot = position < message.count && message[position] == 0
                guard let nameEnd = Self.skipName(message, from: position), message.count - nameEnd >= 10 else {
                    return nil
                }
                let dataCount = Int(message.uint16(at: nameEnd + 8))
                guard message.count - nameEnd - 10 >= dataCount else { return nil }
                if message.uint16(at: nameEnd) == RecordType.opt.rawValue {
                    guard index >= before, isRoot, payloadBytes == nil else { return nil }
                    payloadBytes = max(512, Int(message.uint16(at: nameEnd + 2)))
                    version = message[nameEnd + 5]
                    wantsSignatures = message[nameEnd + 6] & 0x80 != 0
                    guard Self.areOptions(message, from: nameEnd + 10, count: dataCount) else { return nil }
                }
                position = nameEnd + 10 + dataCount
            }
            guard position == message.count else { return nil }
        }

        private static func skipName(_ message: Span<UInt8>, from start: Int) -> Int? {
            var position = start
            while position < message.count {
                let length = Int(message[position])
                if length == 0 { return position + 1 }
                if length >= 0xc0 { return position + 2 <= message.count ? position + 2 : nil }
                guard length < 64 else { return nil }
                position += length + 1
            }
            return nil
        }

        private static func areOptions(_ message: Span<UInt8>, from start: Int, count: Int) -> Bool {
            var position = start
            let end = start + count
            while end - position >= 4 { position += 4 + Int(message.uint16(at: position + 2)) }
            return position == end
        }
    }
}

extension Span<UInt8> {
    @inline(__always)
    func uint16(at offset: Int) -> UInt16 { UInt16(self[offset]) << 8 | UInt16(self[offset + 1]) }

    @inline(__always)
    func uint32(at offset: Int) -> UInt32 { UInt32(uint16(at: offset)) << 16 | UInt32(uint16(at: offset + 2)) }
}
