package import Crypto

/// The preshared key of a tunnel, or two while the mesh secret is replaced.
///
/// The key enters the handshake only in the response: the responder chooses, the initiator checks. So an initiator tries
/// both, and a responder takes `preferred`, unless its last response was not taken up: then the other in turn, since
/// the initiator may know only that one. A mesh replaces its secret without an interruption in three steps:
///
///     1. every node:  preferred = old, other = new     nodes that know only the old one still connect to all
///     2. every node:  preferred = new, other = old     nodes at step 1 open responses with either
///     3. every node:  preferred = new                  a node that missed it all is now shut out
package struct PresharedKeys: Sendable {
    /// WireGuard's absent preshared key: 32 zero bytes.
    private static let absent = Secret(Array(repeating: 0, count: 32))

    /// One or two, the preferred one first.
    let candidates: [Secret]

    /// Without any argument the tunnel has no preshared key. Precondition: keys have 32 bytes.
    package init(preferred: Secret? = nil, other: Secret? = nil) {
        candidates = [preferred ?? Self.absent] + (other.map { [$0] } ?? [])
        precondition(candidates.allSatisfy { $0.count == 32 })
    }

    /// The key of a response, when the responses since the last session number `unconfirmed`.
    func choice(unconfirmed: Int) -> Secret { candidates[unconfirmed % candidates.count] }
}
