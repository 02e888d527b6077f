/// The tables of the state database. Each maps a key to a number and a block of bytes, and is read whole at start.
///
/// The store knows no formats: certificates, records and revocations are the bytes that travel on the wire.
package enum Table: String, CaseIterable, Hashable, Sendable {
    /// Private keys and the mesh's secrets, by name.
    case secrets
    /// This node's certificate chain, the mesh root and issued invites, by name.
    case certificates
    /// Other nodes' records by node id; the number is the record's.
    case peers
    /// Signed revocations by their hash.
    case revocations
    /// Numbers that may only grow, by name; the bytes are empty.
    case counters
    /// Changes made to the host that `down` must undo, by what was changed; the number orders them.
    case hostChanges
    /// Admitted stock WireGuard clients by public key.
    case clients
    /// What sources said of services, endpoints and nodes, one row for each object of each source; see `CatalogRow`.
    case catalog
    /// What other nodes announce, by node id and part; the number is the announcement's.
    case announcements
    /// What makes a restart quicker and may be lost, by name: recent peers, what was learned of the network.
    case hints
}

/// What a table holds under one key.
package struct StoredValue: Equatable, Sendable {
    /// At most `Int64.max`.
    package var number: UInt64
    package var bytes: [UInt8]

    package init(number: UInt64 = 0, bytes: [UInt8] = []) {
        self.number = number
        self.bytes = bytes
    }
}

/// One change to one key; `nil` removes it.
package struct StoreChange: Equatable, Sendable {
    package var table: Table
    package var key: [UInt8]
    package var value: StoredValue?

    package init(_ table: Table, _ key: [UInt8], _ value: StoredValue?) {
        self.table = table
        self.key = key
        self.value = value
    }
}
