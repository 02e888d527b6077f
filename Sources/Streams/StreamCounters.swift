import Synchronization

/// What happened to streams and their datagrams, in counts.
package enum StreamCount: Int, CaseIterable, Sendable {
    case opened
    case openFailed
    case foreignKey
    case proxyRefused
    case accepted
    case tooMany
    case handshakeFailed
    case handshakeTimedOut
    case silent
    case malformed
    case datagramsSent
    case datagramsReceived
    case outgoingDropped
    case incomingDropped

    package var name: String {
        switch self {
        case .opened: "streams opened"
        case .openFailed: "streams that could not be opened"
        case .foreignKey: "streams to a certificate that is not the mesh's"
        case .proxyRefused: "streams that the proxy refused"
        case .accepted: "streams accepted"
        case .tooMany: "streams refused: too many"
        case .handshakeFailed: "streams refused: TLS failed"
        case .handshakeTimedOut: "streams refused: TLS not done in time"
        case .silent: "streams closed: nothing came"
        case .malformed: "streams closed: no datagrams"
        case .datagramsSent: "datagrams sent by stream"
        case .datagramsReceived: "datagrams received by stream"
        case .outgoingDropped: "datagrams dropped: stream too slow"
        case .incomingDropped: "datagrams dropped: packet thread too slow for the stream"
        }
    }
}

/// The counts, written by the streams' thread and readable from any.
package final class StreamCounters: Sendable {
    private static let size = 14
    private let counts = InlineArray<14, Atomic<UInt64>> { _ in Atomic(0) }

    package init() {
        precondition(StreamCount.allCases.count == Self.size)
    }

    package subscript(count: StreamCount) -> UInt64 {
        counts[count.rawValue].load(ordering: .relaxed)
    }

    func add(_ count: StreamCount, _ amount: Int = 1) {
        counts[count.rawValue].add(UInt64(amount), ordering: .relaxed)
    }
}
