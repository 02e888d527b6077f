import Wire

/// The sections of an answer, ready to be sent behind the header and a question of a certain length.
///
/// Names are compressed against the question, which always stands at offset 12, so the bytes fit every query for the name
/// they were made for, in whatever case it asks.
package struct PreparedAnswer: Equatable, Sendable {
    var bytes: [UInt8] = []
    var answerCount: UInt16 = 0
    var authorityCount: UInt16 = 0
    var additionalCount: UInt16 = 0
    /// Where the answers end in `bytes`, and the authorities.
    var answerEnd = 0
    var authorityEnd = 0
    /// The bytes of each answer if all have the same and their order is free, so that it may be rotated; else 0.
    var stride = 0

    static let empty = PreparedAnswer()

    /// Addresses of one family for the name in the question: each record's owner is a pointer to it.
    init(addresses: [IPAddress], ttl: UInt32) {
        let isIPv4 = addresses.first?.isIPv4 ?? true
        stride = isIPv4 ? 16 : 28
        bytes.reserveCapacity(stride * addresses.count)
        for address in addresses {
            bytes += [0xc0, 0x0c, 0, isIPv4 ? 1 : 28, 0, 1]
            bytes += [UInt8(ttl >> 24), UInt8(ttl >> 16 & 255), UInt8(ttl >> 8 & 255), UInt8(ttl & 255)]
            bytes += [0, isIPv4 ? 4 : 16]
            bytes += address.bytes
        }
        answerCount = UInt16(clamping: addresses.count)
        answerEnd = bytes.count
        authorityEnd = bytes.count
    }

    /// Any records, behind a question for `name`.
    init(
        to name: DomainName, answers: [ResourceRecord], authorities: [ResourceRecord] = [],
        additional: [ResourceRecord] = []
    ) {
        var writer = MessageWriter(skipping: Message.headerBytes)
        writer.append(name, compressed: false)
        writer.append(bigEndian: UInt32(0))
        let start = writer.count
        for record in answers { writer.append(record) }
        answerEnd = writer.count - start
        for record in authorities { writer.append(record) }
        authorityEnd = writer.count - start
        for record in additional { writer.append(record) }
        bytes = Array(writer.bytes[start...])
        answerCount = UInt16(clamping: answers.count)
        authorityCount = UInt16(clamping: authorities.count)
        additionalCount = UInt16(clamping: additional.count)
    }

    private init() {}

    /// Back in parts, for a name that it was made for; the header is no one's.
    func message(to question: Message.Question) -> Message {
        var writer = MessageWriter()
        writer.append(bigEndian: UInt32(0))
        for count in [1, answerCount, authorityCount, additionalCount] { writer.append(bigEndian: count) }
        writer.append(question.name, compressed: false)
        writer.append(bigEndian: question.type.rawValue)
        writer.append(bigEndian: question.questionClass)
        writer.append(bytes)
        // Made by this type's own initialisers, so it parses.
        return (try? Message(parsing: writer.bytes)) ?? Message(id: 0, question: question)
    }

    /// Where the TTLs stand in `bytes`.
    var ttlOffsets: [UInt16] {
        var offsets: [UInt16] = []
        var position = 0
        while let record = record(at: position) {
            offsets.append(UInt16(clamping: record.ttlOffset))
            position = record.end
        }
        return offsets
    }

    /// How many whole answers fit into `limit` bytes, and how many bytes they take.
    func answers(within limit: Int) -> (count: UInt16, bytes: Int) {
        var position = 0
        var count: UInt16 = 0
        while position < answerEnd, let record = record(at: position), record.end <= limit {
            position = record.end
            count += 1
        }
        return (count, position)
    }

    private func record(at start: Int) -> (ttlOffset: Int, end: Int)? {
        var position = start
        while position < bytes.count, bytes[position] != 0, bytes[position] < 0xc0 {
            position += Int(bytes[position]) + 1
        }
        guard position < bytes.count else { return nil }
        position += bytes[position] == 0 ? 1 : 2
        let dataCount = Int(bytes[position + 8]) << 8 | Int(bytes[position + 9])
        return (position + 4, position + 10 + dataCount)
    }
}
