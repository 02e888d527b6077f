package import Crypto
package import Wire

/// The key pair that a mesh's streams are recognised by: every member derives it from the mesh secret (decision 9).
package struct StreamKey: Sendable {
    let key: SigningKey

    package var publicKey: Bytes32 { key.publicKey }

    package init(meshSecret: Secret) {
        let seed = BLAKE2s.kdf1(meshSecret, Secret(Array("kubemesh stream 1".utf8)))
        guard let key = try? SigningKey(secret: seed) else { preconditionFailure("a derived secret has 32 bytes") }
        self.key = key
    }
}
