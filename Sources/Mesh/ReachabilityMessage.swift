import Identity
import STUN
import Wire

/// What members say to each other to find out who can be reached by strangers (control frames, topic `reachability`).
///
/// The first byte is the kind, then the nonce (4 + 8), then:
/// request: target endpoint, origin (1), whether a dialler is named (1), its identifier (0 or 32);
/// errand: target endpoint, the asker's identifier (32);
/// answer: outcome (1).
///
/// ```
///   asker ──request──▶ helper ──datagram with the nonce──▶ the asker's endpoint
///   asker ──request──▶ a member ──errand──▶ helper ──datagram──▶ the asker's endpoint      (answers go back alike)
/// ```
/// A request, sealed as it is, is longer than the datagram that it causes.
enum ReachabilityMessage: Equatable, Sendable {
    /// Asks for one datagram with this nonce to `target`, from the receiver itself or from `dialler`.
    case request(nonce: DialBackNonce, target: Endpoint, origin: DialBackOrigin, dialler: NodeID?)
    /// A request that a member passes on.
    case errand(nonce: DialBackNonce, target: Endpoint, asker: NodeID)
    case answer(nonce: DialBackNonce, DialBackOutcome)

    private enum Kind: UInt8 {
        case request = 1
        case errand, answer
    }

    init(parsing bytes: [UInt8]) throws(WireError) {
        var reader = ByteReader(bytes.span)
        let kind = try reader.readUInt8()
        let nonce = DialBackNonce(high: try reader.readBigEndianUInt32(), low: try reader.readBigEndianUInt64())
        switch Kind(rawValue: kind) {
        case .request:
            let target = try reader.readEndpoint()
            guard let origin = DialBackOrigin(rawValue: try reader.readUInt8()) else { throw .invalidField("origin") }
            let isNamed = try reader.readUInt8()
            guard isNamed <= 1 else { throw .invalidField("dialler") }
            let dialler = isNamed == 1 ? NodeID(try reader.readBytes32()) : nil
            self = .request(nonce: nonce, target: target, origin: origin, dialler: dialler)
        case .errand:
            self = .errand(nonce: nonce, target: try reader.readEndpoint(), asker: NodeID(try reader.readBytes32()))
        case .answer:
            guard let outcome = DialBackOutcome(rawValue: try reader.readUInt8()) else {
                throw .invalidField("outcome")
            }
            self = .answer(nonce: nonce, outcome)
        case nil: throw .unexpectedType(kind)
        }
        try reader.finish()
    }

    var encoded: [UInt8] {
        var writer = ByteWriter(capacity: 64)
        switch self {
        case .request(let nonce, let target, let origin, let dialler):
            writer.append(Kind.request.rawValue)
            writer.append(nonce)
            writer.append(target)
            writer.append(origin.rawValue)
            writer.append(dialler == nil ? 0 : 1 as UInt8)
            if let dialler { writer.append(dialler.bytes) }
        case .errand(let nonce, let target, let asker):
            writer.append(Kind.errand.rawValue)
            writer.append(nonce)
            writer.append(target)
            writer.append(asker.bytes)
        case .answer(let nonce, let outcome):
            writer.append(Kind.answer.rawValue)
            writer.append(nonce)
            writer.append(outcome.rawValue)
        }
        return writer.bytes
    }
}

/// What a dialled datagram carries, so that only who was asked can have sent it: the transaction of a STUN Binding indication.
struct DialBackNonce: Hashable, Sendable {
    let high: UInt32
    let low: UInt64

    init(high: UInt32, low: UInt64) {
        self.high = high
        self.low = low
    }

    init(using random: inout some RandomNumberGenerator) {
        self.init(
            high: UInt32.random(in: .min ... .max, using: &random),
            low: UInt64.random(in: .min ... .max, using: &random))
    }

    /// The nonce in a datagram; `nil` unless it is an indication.
    init?(in datagram: [UInt8]) {
        guard let message = try? STUNMessage(parsing: datagram), message.kind == .indication,
            !message.transaction.isClassic
        else { return nil }
        self.init(high: UInt32(truncatingIfNeeded: message.transaction.high), low: message.transaction.low)
    }

    /// 28 bytes.
    var datagram: [UInt8] {
        let transaction = STUNTransaction(high: UInt64(STUNMessage.magicCookie) << 32 | UInt64(high), low: low)
        return STUNMessage(.indication, transaction).encoded
    }
}

/// From which of the helper's sockets a datagram comes.
enum DialBackOrigin: UInt8, Equatable, Sendable {
    /// One that the asker has never sent to.
    case fresh = 1
    /// The helper's own.
    case own = 2
}

enum DialBackOutcome: UInt8, Equatable, Sendable {
    case sent = 1
    /// The target is not the asker's, or is none that a stranger may be sent to.
    case refused = 2
    case overLimit = 3
    /// The named dialler has no session with the member that was asked.
    case noDialler = 4
}

extension ByteWriter {
    fileprivate mutating func append(_ nonce: DialBackNonce) {
        append(bigEndian: nonce.high)
        append(bigEndian: nonce.low)
    }
}
