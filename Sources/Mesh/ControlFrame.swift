package import Wire

/// What two nodes say to each other inside their tunnel, beside the packets of their containers.
///
/// The first byte is the kind, 1–15, so that its upper nibble is 0 where an IP packet has 4 or 6; then the length of the body
/// (2), and the body; everything is big-endian. Behind it may be up to 15 zero bytes, the tunnel's padding.
/// The tunnel authenticates and orders nothing: every frame stands for itself and may be lost or come twice.
package enum ControlFrame: Equatable, Sendable {
    /// Who the sender is; the first frame on every new session.
    case hello(Hello)
    /// Asks for a `pong` along the same path; proves a path and measures it. `inDoubt`: the sender fears that its own path
    /// has failed, and sends on another beside it.
    case ping(nonce: UInt64, inDoubt: Bool)
    /// Answers a ping, and is as long as one. `observed` is the UDP source that the ping came from, absent when it came through
    /// a relay or a stream; `load` is how busy the sender is as a relay, 255 when it takes no circuits.
    case pong(nonce: UInt64, observed: Endpoint?, load: UInt8)
    /// Signed node records, encoded by `Identity`.
    case records([[UInt8]])
    /// What the sender's directory holds: the receiver answers with records that are newer or missing there, and asks for
    /// those that it lacks itself.
    case digest(Digest)
    /// Asks for the records of the nodes whose identifiers begin so.
    case recordRequest([UInt64])
    /// Asks a relay for a circuit to `target`, and hands it the first message to carry. A relay that asks another one on somebody's
    /// behalf says whose, and how many relays have passed it on.
    case circuitOpen(replyID: UInt64, target: Bytes32, route: Route?, message: [UInt8])
    /// The relay tells the target of a circuit, with its first message.
    case circuitOffer(relayID: UInt64, origin: Bytes32, message: [UInt8])
    /// The target answers the offer, with the message that answers the first one.
    case circuitAccept(relayID: UInt64, replyID: UInt64, message: [UInt8])
    /// The relay tells the opener that the circuit stands.
    case circuitReady(replyID: UInt64, relayID: UInt64, message: [UInt8])
    /// A circuit is gone or was refused; `identifier` is the one that the receiver of this frame chose.
    case circuitClosed(identifier: UInt64, reason: UInt8)
    /// The sender does not admit the receiver, and why, in words for its operator; when its subnet is taken, those that are.
    case refusal(reason: String, takenSubnets: [UInt16])
    /// The sender leaves in good order; its session and circuits end now.
    case goodbye
    /// A piece of a longer frame.
    case fragment(Fragment)
    /// A frame of one of the subjects that are spoken of seldom; what the payload means is its subject's.
    case extended(Topic, [UInt8])

    package enum Topic: UInt8, CaseIterable, Sendable {
        /// Asks a node that may issue for a certificate with a later expiry (`RenewalMessage`).
        case renewal = 1
        /// Both sides open their NATs towards each other at the same time.
        case punch = 2
        /// The search for the port that a symmetric NAT chose.
        case search = 3
        /// Whether strangers can reach the asker (dial-back).
        case reachability = 4
        /// What a relay tells those that it relays for.
        case relaying = 5
        /// Why a path is as it is, asked by an operator at another node.
        case inquiry = 6
    }

    /// Bytes of the body of a ping and of a pong.
    private static let pingSize = 29

    /// Bytes of one unfragmented frame, so that it fits the smallest inner MTU.
    package static let sizeLimit = 1200
    /// Entries in one digest.
    package static let digestLimit = 72

    /// Whom a circuit is for that a relay opens onward.
    package struct Route: Equatable, Sendable {
        package var origin: Bytes32
        /// Relays that the circuit goes through already; at least one.
        package var relays: UInt8

        package init(origin: Bytes32, relays: UInt8) {
            self.origin = origin
            self.relays = relays
        }
    }

    package struct Hello: Equatable, Sendable {
        package static let currentVersion: UInt8 = 1
        /// Changes with every start of the sender, so that peers notice a restart.
        package var bootID: UInt64
        /// The sender's wall clock, in seconds since 1970; only to warn of a wrong one.
        package var wallSeconds: UInt64
        /// Whether the sender has not yet had a hello from the receiver on this session.
        package var wantsReply: Bool
        /// The sender's own record, encoded and signed by `Identity`.
        package var record: [UInt8]

        package init(bootID: UInt64, wallSeconds: UInt64, wantsReply: Bool, record: [UInt8]) {
            self.bootID = bootID
            self.wallSeconds = wallSeconds
            self.wantsReply = wantsReply
            self.record = record
        }
    }

    /// The records of all nodes whose identifiers begin with a number in `first...last`, in order.
    package struct Digest: Equatable, Sendable {
        package var first: UInt64
        package var last: UInt64
        package var entries: [DigestEntry]

        package init(first: UInt64, last: UInt64, entries: [DigestEntry]) {
            self.first = first
            self.last = last
            self.entries = entries
        }
    }

    package struct DigestEntry: Equatable, Sendable {
        /// The first eight bytes of the node's identifier.
        package var node: UInt64
        package var number: UInt64

        package init(node: UInt64, number: UInt64) {
            self.node = node
            self.number = number
        }
    }

    package struct Fragment: Equatable, Sendable {
        package var message: UInt32
        package var index: UInt8
        package var count: UInt8
        package var bytes: [UInt8]

        package init(message: UInt32, index: UInt8, count: UInt8, bytes: [UInt8]) {
            self.message = message
            self.index = index
            self.count = count
            self.bytes = bytes
        }
    }

    private enum Kind: UInt8 {
        case hello = 1
        case ping, pong, records, digest, recordRequest
        case circuitOpen, circuitOffer, circuitAccept, circuitReady, circuitClosed
        case refusal, goodbye, fragment, extended
    }
}

extension ControlFrame {
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
            let isObserved = try reader.readUInt8()
            guard isObserved <= 1 else { throw .invalidField("observed") }
            let observed = isObserved == 1 ? try reader.readEndpoint() : nil
            try Self.checkPingPadding(&reader, of: body)
            self = .pong(nonce: nonce, observed: observed, load: load)
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
        case .pong(let nonce, let observed, let load):
            writer.append(bigEndian: nonce)
            writer.append(load)
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
