package import Wire

// How frames are written.
extension ControlFrame {
    /// Bytes of the body of a ping and of a pong.
    private static let pingSize = 33

    private enum Kind: UInt8 {
        case hello = 1
        case ping, pong, records, digest, recordRequest
        case circuitOpen, circuitOffer, circuitAccept, circuitReady, circuitClosed
        case refusal, goodbye, fragment, extended
    }

    package init(parsing bytes: Span<UInt8>) throws(WireError) {
        var outer = ByteReader(bytes)
        let kind = try outer.readUInt8()
        let body = try outer.readLengthPrefixedBytes()
        let padding = outer.readRemaining()
        guard padding.count < 16, padding.allSatisfy({ $0 == 0 }) else { throw .trailingBytes }
        var reader = ByteReader(body.span)
        switch Kind(rawValue: kind) {
        case .hello: self = .hello(try Hello(from: &reader))
        case .ping:
            let nonce = try reader.readBigEndianUInt64()
            let flag = try reader.readUInt8()
            guard flag <= 1 else { throw .invalidField("inDoubt") }
            try Self.checkPingPadding(&reader, of: body)
            self = .ping(nonce: nonce, inDoubt: flag == 1)
        case .pong:
            let nonce = try reader.readBigEndianUInt64()
            let load = try reader.readUInt8()
            let arrived = try reader.readBigEndianUInt32()
            let isObserved = try reader.readUInt8()
            guard isObserved <= 1 else { throw .invalidField("observed") }
            let observed = isObserved == 1 ? try reader.readEndpoint() : nil
            try Self.checkPingPadding(&reader, of: body)
            self = .pong(nonce: nonce, observed: observed, load: load, arrived: arrived)
        case .records:
            var records: [[UInt8]] = []
            while reader.remaining > 0 { records.append(try reader.readLengthPrefixedBytes()) }
            self = .records(records)
        case .digest:
            let first = try reader.readBigEndianUInt64()
            let last = try reader.readBigEndianUInt64()
            guard first <= last else { throw .invalidField("range") }
            var entries: [DigestEntry] = []
            while reader.remaining > 0 {
                entries.append(
                    DigestEntry(node: try reader.readBigEndianUInt64(), number: try reader.readBigEndianUInt64()))
            }
            self = .digest(Digest(first: first, last: last, entries: entries))
        case .recordRequest:
            var nodes: [UInt64] = []
            while reader.remaining > 0 { nodes.append(try reader.readBigEndianUInt64()) }
            self = .recordRequest(nodes)
        case .circuitOpen:
            let replyID = try reader.readBigEndianUInt64()
            let target = try reader.readBytes32()
            let relays = try reader.readUInt8()
            let route = relays == 0 ? nil : Route(origin: try reader.readBytes32(), relays: relays)
            self = .circuitOpen(replyID: replyID, target: target, route: route, message: reader.readRemaining())
        case .circuitOffer:
            self = .circuitOffer(
                relayID: try reader.readBigEndianUInt64(), origin: try reader.readBytes32(),
                message: reader.readRemaining())
        case .circuitAccept:
            self = .circuitAccept(
                relayID: try reader.readBigEndianUInt64(), replyID: try reader.readBigEndianUInt64(),
                message: reader.readRemaining())
        case .circuitReady:
            self = .circuitReady(
                replyID: try reader.readBigEndianUInt64(), relayID: try reader.readBigEndianUInt64(),
                message: reader.readRemaining())
        case .circuitClosed:
            self = .circuitClosed(identifier: try reader.readBigEndianUInt64(), reason: try reader.readUInt8())
        case .refusal:
            let text = try reader.readLengthPrefixedBytes(limit: 512)
            guard let reason = String(validating: text, as: UTF8.self) else { throw .invalidField("reason") }
            var takenSubnets: [UInt16] = []
            while reader.remaining > 0 { takenSubnets.append(try reader.readBigEndianUInt16()) }
            self = .refusal(reason: reason, takenSubnets: takenSubnets)
        case .goodbye: self = .goodbye
        case .fragment: self = .fragment(try Fragment(from: &reader))
        case .extended:
            guard let topic = Topic(rawValue: try reader.readUInt8()) else { throw .invalidField("topic") }
            self = .extended(topic, reader.readRemaining())
        case nil: throw .unexpectedType(kind)
        }
        try reader.finish()
    }

    package var encoded: [UInt8] {
        var writer = ByteWriter(capacity: 64)
        writer.append(kind.rawValue)
        writer.append(lengthPrefixed: body)
        return writer.bytes
    }

    private var body: [UInt8] {
        var writer = ByteWriter(capacity: 64)
        switch self {
        case .hello(let hello): hello.write(to: &writer)
        case .ping(let nonce, let inDoubt):
            writer.append(bigEndian: nonce)
            writer.append(inDoubt ? 1 : 0 as UInt8)
            Self.padPing(&writer)
        case .pong(let nonce, let observed, let load, let arrived):
            writer.append(bigEndian: nonce)
            writer.append(load)
            writer.append(bigEndian: arrived)
            writer.append(observed == nil ? 0 : 1 as UInt8)
            if let observed { writer.append(observed) }
            Self.padPing(&writer)
        case .records(let records):
            for record in records { writer.append(lengthPrefixed: record) }
        case .digest(let digest):
            writer.append(bigEndian: digest.first)
            writer.append(bigEndian: digest.last)
            for entry in digest.entries {
                writer.append(bigEndian: entry.node)
                writer.append(bigEndian: entry.number)
            }
        case .recordRequest(let nodes):
            for node in nodes { writer.append(bigEndian: node) }
        case .circuitOpen(let identifier, let node, let route, let message):
            writer.append(bigEndian: identifier)
            writer.append(node)
            writer.append(route?.relays ?? 0)
            if let route { writer.append(route.origin) }
            writer.append(message)
        case .circuitOffer(let identifier, let node, let message):
            writer.append(bigEndian: identifier)
            writer.append(node)
            writer.append(message)
        case .circuitAccept(let first, let second, let message), .circuitReady(let first, let second, let message):
            writer.append(bigEndian: first)
            writer.append(bigEndian: second)
            writer.append(message)
        case .circuitClosed(let identifier, let reason):
            writer.append(bigEndian: identifier)
            writer.append(reason)
        case .refusal(let reason, let takenSubnets):
            writer.append(lengthPrefixed: Array(reason.prefix(128).utf8))
            for subnet in takenSubnets { writer.append(bigEndian: subnet) }
        case .goodbye: break
        case .fragment(let fragment): fragment.write(to: &writer)
        case .extended(let topic, let payload):
            writer.append(topic.rawValue)
            writer.append(payload)
        }
        return writer.bytes
    }

    /// Pings are as long as pongs, whatever address those carry, so that nobody gains bytes by asking.
    private static func padPing(_ writer: inout ByteWriter) {
        writer.append(Array(repeating: 0, count: pingSize - writer.bytes.count))
    }

    private static func checkPingPadding(_ reader: inout ByteReader, of body: [UInt8]) throws(WireError) {
        guard body.count == pingSize, reader.readRemaining().allSatisfy({ $0 == 0 }) else {
            throw .invalidField("padding")
        }
    }

    private var kind: Kind {
        switch self {
        case .hello: .hello
        case .ping: .ping
        case .pong: .pong
        case .records: .records
        case .digest: .digest
        case .recordRequest: .recordRequest
        case .circuitOpen: .circuitOpen
        case .circuitOffer: .circuitOffer
        case .circuitAccept: .circuitAccept
        case .circuitReady: .circuitReady
        case .circuitClosed: .circuitClosed
        case .refusal: .refusal
        case .goodbye: .goodbye
        case .fragment: .fragment
        case .extended: .extended
        }
    }
}

extension ControlFrame.Hello {
    init(from reader: inout ByteReader) throws(WireError) {
        let version = try reader.readUInt8()
        guard version == Self.currentVersion else { throw .unsupportedVersion(version) }
        bootID = try reader.readBigEndianUInt64()
        wallSeconds = try reader.readBigEndianUInt64()
        let flag = try reader.readUInt8()
        guard flag <= 1 else { throw .invalidField("wantsReply") }
        wantsReply = flag == 1
        record = reader.readRemaining()
    }

    func write(to writer: inout ByteWriter) {
        writer.append(Self.currentVersion)
        writer.append(bigEndian: bootID)
        writer.append(bigEndian: wallSeconds)
        writer.append(wantsReply ? 1 : 0 as UInt8)
        writer.append(record)
    }
}

extension ControlFrame.Fragment {
    init(from reader: inout ByteReader) throws(WireError) {
        message = try reader.readBigEndianUInt32()
        index = try reader.readUInt8()
        count = try reader.readUInt8()
        guard count >= 2, index < count else { throw .invalidField("fragment") }
        bytes = reader.readRemaining()
    }

    func write(to writer: inout ByteWriter) {
        writer.append(bigEndian: message)
        writer.append(index)
        writer.append(count)
        writer.append(bytes)
    }
}
