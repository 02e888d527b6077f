import Synchronization

/// Why a packet went no further. Each reason has a counter on each packet thread.
package enum DropReason: Int, CaseIterable, Sendable {
    // From the TUN.
    case malformedPacket
    case noRoute
    case tooBig
    case sendFailed
    // From the network.
    case malformedMessage
    case unknownKind
    case wrongMAC
    case forgedLink
    case unknownReceiver
    case expiredSession
    case replayed
    case notAuthentic
    case malformedInnerPacket
    case sourceNotAllowed
    case unknownCircuit
    case wrongCircuitSource
    case relayLimit
    case tunWriteFailed
    // Both.
    case handshakeLimit
    case stunLimit
    case upcallLimit
    case mailboxFull

    package var name: String {
        switch self {
        case .malformedPacket: "malformed packet from the interface"
        case .noRoute: "no route"
        case .tooBig: "larger than the path takes"
        case .sendFailed: "send failed"
        case .malformedMessage: "malformed message"
        case .unknownKind: "neither tunnel, relay nor STUN"
        case .wrongMAC: "handshake of somebody who does not know this node"
        case .forgedLink: "source address that no packet may have"
        case .unknownReceiver: "unknown receiver index"
        case .expiredSession: "session expired"
        case .replayed: "replayed or too old"
        case .notAuthentic: "not authentic"
        case .malformedInnerPacket: "malformed packet in the tunnel"
        case .sourceNotAllowed: "source not allowed for the peer"
        case .unknownCircuit: "unknown circuit"
        case .wrongCircuitSource: "circuit used from another endpoint"
        case .relayLimit: "more than may be relayed"
        case .tunWriteFailed: "interface did not take the packet"
        case .handshakeLimit: "more handshakes of strangers than are looked at"
        case .stunLimit: "more STUN than is looked at"
        case .upcallLimit: "too many packets for the control thread in one batch"
        case .mailboxFull: "control thread too slow"
        }
    }
}

/// Counts of one packet thread, readable from any.
package final class DropCounters: Sendable {
    private static let reasonCount = 22
    private let counts = InlineArray<22, Atomic<UInt64>> { _ in Atomic(0) }

    package init() {
        precondition(DropReason.allCases.count == Self.reasonCount)
    }

    package subscript(reason: DropReason) -> UInt64 {
        counts[reason.rawValue].load(ordering: .relaxed)
    }

    package func add(_ reason: DropReason, _ count: Int = 1) {
        counts[reason.rawValue].add(UInt64(count), ordering: .relaxed)
    }
}
