import SansIO

/// The sessions of one tunnel (WireGuard paper §5.4.5; Linux `add_new_keypair`).
///
///     initiator: response received ─▶ current ─▶ previous
///     responder: response sent ─▶ next ─▶ first authentic packet ─▶ current ─▶ previous
///
/// Ours differs in keeping two previous sessions: when both sides start a handshake at once, packets sealed with the
/// session before may still be on their way.
struct SessionKeypairs: Sendable {
    private static let previousLimit = 2

    /// What we send with.
    private(set) var current: Keypair?
    /// Made by the peer's initiation; received on but not yet sent on.
    private(set) var next: Keypair?
    /// Received on until they are too old, the youngest first.
    private(set) var previous: [Keypair] = []

    /// Every session, the likeliest to be received on first.
    var all: [Keypair] { [current, next].compactMap(\.self) + previous }

    /// Puts a session that we initiated to use and returns those it displaces.
    mutating func use(_ keypair: Keypair) -> [Keypair] {
        let displaced = [next, current].compactMap(\.self)
        next = nil
        current = keypair
        return demote(displaced)
    }

    /// Holds a session that the peer initiated and returns the one it displaces: the peer did not take it up.
    mutating func hold(_ keypair: Keypair) -> [Keypair] {
        defer { next = keypair }
        return next.map { [$0] } ?? []
    }

    /// Puts the held session to use and returns those it displaces; `nil` when `localIndex` is not the held session's.
    mutating func confirm(localIndex: UInt32) -> (confirmed: Keypair, displaced: [Keypair])? {
        guard let keypair = next, keypair.localIndex == localIndex else { return nil }
        let displaced = current.map { [$0] } ?? []
        next = nil
        current = keypair
        return (keypair, demote(displaced))
    }

    mutating func removeAll() -> [Keypair] {
        defer { self = SessionKeypairs() }
        return all
    }

    private mutating func demote(_ keypairs: [Keypair]) -> [Keypair] {
        let kept = keypairs + previous
        previous = Array(kept.prefix(Self.previousLimit))
        return Array(kept.dropFirst(Self.previousLimit))
    }
}
