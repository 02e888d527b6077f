package import Wire

/// A whole message in parts (RFC 1035 §4.1): header (12 bytes), question, answers, authorities, additional records.
///
/// For what arrives from other servers and for tests; queries are read by `Query`, which copies nothing.
package struct Message: Equatable, Sendable {
    package struct Question: Hashable, Sendable {
        package var name: DomainName
        package var type: RecordType
        package var questionClass = ResourceRecord.internet

        package init(_ name: DomainName, _ type: RecordType) {
            self.name = name
            self.type = type
        }
    }

    package static let headerBytes = 12

    package var id: UInt16
    package var flags: MessageFlags
    package var question: Question?
    package var answers: [ResourceRecord] = []
    package var authorities: [ResourceRecord] = []
    /// Without the OPT record.
    package var additional: [ResourceRecord] = []
    package var edns: EDNS?

    package init(id: UInt16, flags: UInt16 = 0, question: Question? = nil) {
        self.id = id
        self.flags = MessageFlags(rawValue: flags)
        self.question = question
    }

    /// With the bits that OPT adds.
    package var responseCode: ResponseCode {
        ResponseCode(rawValue: flags.responseCode.rawValue | UInt16(edns?.extendedCode ?? 0) << 4)
    }

    /// Reads a message of at most one question; anything after the last record is refused.
    package init(parsing bytes: [UInt8]) throws(WireError) {
        var reader = MessageReader(bytes)
        id = try reader.readUInt16()
        flags = MessageFlags(rawValue: try reader.readUInt16())
        var counts: [Int] = []
        for _ in 0..<4 { counts.append(Int(try reader.readUInt16())) }
        guard counts[0] <= 1 else { throw .invalidField("QDCOUNT") }
        if counts[0] == 1 {
            var question = Question(try reader.readName(), RecordType(rawValue: try reader.readUInt16()))
            question.questionClass = try reader.readUInt16()
            self.question = question
        }
        answers = try Self.readRecords(counts[1], from: &reader)
        authorities = try Self.readRecords(counts[2], from: &reader)
        for _ in 0..<counts[3] {
            let start = reader
            let record = try Self.readRecord(from: &reader)
            if record.type == .opt {
                guard edns == nil, record.name.isRoot else { throw .invalidField("OPT") }
                var reader = start
                edns = try EDNS(from: &reader)
            } else {
                additional.append(record)
            }
        }
        guard reader.remaining == 0 else { throw .trailingBytes }
    }

    private static func readRecords(_ count: Int, from reader: inout MessageReader) throws(WireError)
        -> [ResourceRecord]
    {
        var records: [ResourceRecord] = []
        for _ in 0..<count { records.append(try readRecord(from: &reader)) }
        return records
    }

    private static func readRecord(from reader: inout MessageReader) throws(WireError) -> ResourceRecord {
        let name = try reader.readName()
        let type = RecordType(rawValue: try reader.readUInt16())
        let recordClass = try reader.readUInt16()
        let ttl = try reader.readUInt32()
        let count = Int(try reader.readUInt16())
        guard reader.remaining >= count else { throw .truncated }
        var record = ResourceRecord(name, type, ttl: ttl, try RecordData(type, from: &reader, count: count))
        record.recordClass = recordClass
        return record
    }

    /// The message as it is sent.
    package var bytes: [UInt8] {
        var writer = MessageWriter()
        writer.append(bigEndian: id)
        writer.append(bigEndian: flags.rawValue)
        let counts = [
            question == nil ? 0 : 1, answers.count, authorities.count, additional.count + (edns == nil ? 0 : 1),
        ]
        for count in counts { writer.append(bigEndian: UInt16(count)) }
        if let question {
            writer.append(question.name, compressed: true)
            writer.append(bigEndian: question.type.rawValue)
            writer.append(bigEndian: question.questionClass)
        }
        for record in answers + authorities + additional { writer.append(record) }
        edns?.write(to: &writer)
        return writer.bytes
    }
}

/// What an OPT record says (RFC 6891 §6.1).
package struct EDNS: Equatable, Sendable {
    /// What is never exceeded over UDP, so that nothing is fragmented (DNS Flag Day 2020).
    package static let payloadLimit = 1232

    package struct Option: Equatable, Sendable {
        package var code: UInt16
        package var value: [UInt8]

        package init(code: UInt16, value: [UInt8]) {
            self.code = code
            self.value = value
        }
    }

    package var payloadBytes = UInt16(Self.payloadLimit)
    /// The upper eight bits of the response code.
    package var extendedCode: UInt8 = 0
    package var version: UInt8 = 0
    package var wantsSignatures = false
    package var options: [Option] = []

    package init() {}

    init(from reader: inout MessageReader) throws(WireError) {
        _ = try reader.readName()
        _ = try reader.readUInt16()
        payloadBytes = try reader.readUInt16()
        let ttl = try reader.readUInt32()
        extendedCode = UInt8(ttl >> 24)
        version = UInt8(ttl >> 16 & 0xff)
        wantsSignatures = ttl & 0x8000 != 0
        let end = Int(try reader.readUInt16()) + reader.position
        while reader.position < end {
            let code = try reader.readUInt16()
            options.append(Option(code: code, value: try reader.readBytes(Int(try reader.readUInt16()))))
        }
        guard reader.position == end else { throw .invalidField("EDNS option") }
    }

    func write(to writer: inout MessageWriter) {
        writer.append(0)
        writer.append(bigEndian: RecordType.opt.rawValue)
        writer.append(bigEndian: payloadBytes)
        writer.append(
            bigEndian: UInt32(extendedCode) << 24 | UInt32(version) << 16 | (wantsSignatures ? 0x8000 : 0))
        writer.append(bigEndian: UInt16(options.reduce(0) { $0 + 4 + $1.value.count }))
        for option in options {
            writer.append(bigEndian: option.code)
            writer.append(bigEndian: UInt16(option.value.count))
            writer.append(option.value)
        }
    }
}
