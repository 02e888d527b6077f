package import Crypto
package import Wire

/// The secret that all members share, which their tunnels use as preshared key, and the one before it while it changes.
///
/// A mesh has no default secret: it is drawn when the mesh is created, and comes to others in their tokens.
package struct MeshSecrets: Sendable {
    package static let sizeBytes = 32

    package private(set) var current: Secret
    /// Accepted from others, and used towards those who know no newer one, until `endRotation()`.
    package private(set) var previous: Secret?

    package init(current: Secret, previous: Secret? = nil) {
        self.current = current
        self.previous = previous
    }

    /// The preshared keys to try with another node, best first.
    package var accepted: [Secret] { [current] + (previous.map { [$0] } ?? []) }

    package mutating func rotate(to secret: Secret) {
        guard secret != current else { return }
        (previous, current) = (current, secret)
    }

    package mutating func endRotation() {
        previous = nil
    }

    /// The preshared key of a stock WireGuard client, which learns nothing of the mesh's secret from it. Its node keeps
    /// it on disk, since the client's configuration does not follow a rotation.
    package func presharedKey(forClient publicKey: Bytes32) -> Secret {
        BLAKE2s.kdf1(current, Secret(Array("kubemesh client 1".utf8) + publicKey.bytes))
    }
}
