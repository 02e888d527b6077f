/// Names of the secrets on disk. Their bytes are raw keys of 32 bytes.
package enum SecretName: String, CaseIterable, Sendable {
    /// The Ed25519 key that the node id is the hash of.
    case signingKey
    /// The X25519 key of the node's tunnels.
    case tunnelKey
    /// The mesh's root key; only on the host that created the mesh.
    case rootKey
    /// The key of the invite that this node joined with.
    case inviteKey
    case meshSecret
    /// The mesh secret before the last rotation, accepted until the rotation ends.
    case previousMeshSecret
}

/// Names of numbers that never shrink, not even over a restart or a clock that jumped back.
package enum CounterName: String, CaseIterable, Sendable {
    /// The last TAI64N timestamp that a handshake carried, in nanoseconds since 1970. Save a moment ahead of the one in
    /// use, so that one write serves many handshakes.
    case handshakeTimestamp
    /// The number of this node's last record.
    case recordNumber
    /// The number of the last part that this node announced.
    case announcementNumber
}

extension Store {
    package func secret(_ name: SecretName) throws(StoreError) -> [UInt8]? {
        try value(in: .secrets, for: Array(name.rawValue.utf8))?.bytes
    }

    /// Saves all of `secrets` or none; `nil` erases one, on disk too.
    package func save(secrets: [SecretName: [UInt8]?]) throws(StoreError) {
        try save(Self.changes(secrets))
    }

    static func changes(_ secrets: [SecretName: [UInt8]?]) -> [StoreChange] {
        SecretName.allCases.compactMap { name in
            secrets[name].map { bytes in
                StoreChange(.secrets, Array(name.rawValue.utf8), bytes.map { StoredValue(bytes: $0) })
            }
        }
    }

    /// Zero before the first `raise`.
    package func counter(_ name: CounterName) throws(StoreError) -> UInt64 {
        try value(in: .counters, for: Array(name.rawValue.utf8))?.number ?? 0
    }

    /// Saves `number` unless the counter is already there or beyond.
    package func raise(_ name: CounterName, to number: UInt64) throws(StoreError) {
        guard try counter(name) < number else { return }
        try save([StoreChange(.counters, Array(name.rawValue.utf8), StoredValue(number: number))])
    }
}
