package import Crypto
package import Identity
import Wire

/// What the state database says of this node's identity.
package enum StoredIdentity: Sendable {
    /// The host is in no mesh.
    case none
    case present(NodeIdentity)
    /// Parts are missing or do not belong together; the host has to join again.
    case unusable
}

extension Store {
    private enum CertificateName: String, CaseIterable {
        case mesh, chain
    }

    /// Reads the identity with its clients.
    package func identity() throws(StoreError) -> StoredIdentity {
        guard let mesh = try value(in: .certificates, for: Self.key(.mesh))?.bytes else { return .none }
        guard let chain = try value(in: .certificates, for: Self.key(.chain))?.bytes,
            let signingKey = try secret(.signingKey), let tunnelKey = try secret(.tunnelKey),
            let meshSecret = try secret(.meshSecret)
        else { return .unusable }
        let saved = NodeIdentity.Saved(
            signingKey: signingKey, tunnelKey: tunnelKey, rootKey: try secret(.rootKey),
            inviteKey: try secret(.inviteKey), meshSecret: meshSecret,
            previousMeshSecret: try secret(.previousMeshSecret), mesh: mesh, chain: chain)
        guard var identity = NodeIdentity(saved) else { return .unusable }
        identity.clients = try clients().map(\.client)
        return .present(identity)
    }

    /// Saves keys, secrets and chain together, so that a kill leaves the old identity or the new one.
    package func save(_ identity: NodeIdentity) throws(StoreError) {
        let saved = identity.saved
        let secrets: [SecretName: [UInt8]?] = [
            .signingKey: saved.signingKey, .tunnelKey: saved.tunnelKey, .rootKey: saved.rootKey,
            .inviteKey: saved.inviteKey, .meshSecret: saved.meshSecret, .previousMeshSecret: saved.previousMeshSecret,
        ]
        try save(
            Self.changes(secrets) + [
                StoreChange(.certificates, Self.key(.mesh), StoredValue(bytes: saved.mesh)),
                StoreChange(.certificates, Self.key(.chain), StoredValue(bytes: saved.chain)),
            ])
    }

    /// Erases the identity, its counters and everything known of its mesh; what to undo on the host stays.
    package func forgetMesh() throws(StoreError) {
        var changes: [StoreChange] = []
        for table in Table.allCases where table != .hostChanges {
            changes += try entries(in: table).map { StoreChange(table, $0.key, nil) }
        }
        try save(changes)
    }

    private static func key(_ name: CertificateName) -> [UInt8] { Array(name.rawValue.utf8) }
}

// MARK: clients

extension Store {
    /// Admitted clients with their preshared keys, in the order of admission.
    package func clients() throws(StoreError) -> [(client: AttachedClient, presharedKey: Secret)] {
        try entries(in: .clients).compactMap { entry in
            let bytes = entry.value.bytes
            guard bytes.count > 32, let client = try? AttachedClient(parsing: Array(bytes.dropFirst(32))) else {
                return nil
            }
            return (client, Secret(Array(bytes.prefix(32))))
        }.sorted { ($0.client.admittedAt, $0.client.publicKey) < ($1.client.admittedAt, $1.client.publicKey) }
    }

    /// Saves a client. Precondition: the preshared key has 32 bytes.
    package func save(_ client: AttachedClient, presharedKey: Secret) throws(StoreError) {
        precondition(presharedKey.count == 32)
        let value = StoredValue(bytes: presharedKey.bytes + client.encoded)
        try save([StoreChange(.clients, client.publicKey.bytes, value)])
    }

    package func remove(_ client: AttachedClient) throws(StoreError) {
        try save([StoreChange(.clients, client.publicKey.bytes, nil)])
    }
}
