package import SansIO

/// What a session with a runtime wants of the shell.
package enum RuntimeAction: Equatable, Sendable {
    /// Connect to the runtime's socket; the session is told `opened` or `closed`.
    case open(RuntimeChannel)
    case send(RuntimeChannel, [UInt8])
    case close(RuntimeChannel)
    /// Read the addresses in the network namespace of a process; the session is told `addresses`.
    case readAddresses(container: String, process: UInt32)
}

/// A connection to a runtime. containerd carries everything on the second.
package enum RuntimeChannel: UInt8, Hashable, Sendable, CaseIterable {
    case events, requests
}

/// How a session stands.
package enum RuntimeLink: Equatable, Sendable {
    /// Not connected, and why; empty before the first attempt.
    case down(String)
    case connecting
    /// Connected, and everything has been listed.
    case up
}

/// A conversation with a container runtime as a value: what its sockets bring goes in, what is wanted of them comes out.
///
/// After each input the shell carries out `takeActions` until there are none; then `containers` are worth looking at if
/// `revision` has grown.
package protocol RuntimeSession {
    var link: RuntimeLink { get }
    /// Grows when `containers` differ; zero until everything has been listed once.
    var revision: Int { get }
    /// Containers as last told, in any order.
    var containers: [LocalContainer] { get }
    /// Containers beyond the limit, which are not followed.
    var ignoredCount: Int { get }
    var nextDeadline: Instant? { get }

    /// Connects now, unless it has: at the start, and when the socket appears.
    mutating func start()
    mutating func opened(_ channel: RuntimeChannel, at now: Instant)
    mutating func received(_ bytes: [UInt8], on channel: RuntimeChannel, at now: Instant)
    /// The connection ended, or could not be made.
    mutating func closed(_ channel: RuntimeChannel, _ reason: String, at now: Instant)
    /// The addresses in a container's network namespace, none where they could not be read.
    mutating func addresses(
        _ networks: [LocalContainer.Network], of container: String, process: UInt32, at now: Instant)
    mutating func advance(to now: Instant)
    mutating func takeActions() -> [RuntimeAction]
}

/// Why a session was given up; it begins anew after a pause.
enum RuntimeFailure: Error, Equatable {
    case malformed(String)
    case tooLarge(String)
    case refused(String)

    var text: String {
        switch self {
        case .malformed(let what): "its answer is not understood: \(what)"
        case .tooLarge(let what): "its answer is too large: \(what)"
        case .refused(let what): "it refused: \(what)"
        }
    }
}

/// Pauses between attempts, doubling from a quarter of a second to half a minute: a socket that appears is noticed at once.
struct BackOff: Sendable {
    private static let first: Duration = .milliseconds(250)
    private static let longest: Duration = .seconds(30)

    private var next = first

    mutating func take() -> Duration {
        defer { next = min(next * 2, Self.longest) }
        return next
    }

    mutating func reset() { next = Self.first }
}
