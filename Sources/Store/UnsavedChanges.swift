import Wire

/// Changes that the disk refused, the latest for each key: they answer reads, and go to disk with the next write.
struct UnsavedChanges {
    private struct Place: Hashable {
        var table: Table
        var key: [UInt8]
    }

    /// Peers' records are the only table that grows with the mesh; beyond this many keys new ones are let go, since
    /// their owners send them again.
    static let keyLimit = 4096

    private var changes: [Place: StoredValue?] = [:]

    var count: Int { changes.count }

    /// All changes, ordered by table and key.
    var ordered: [StoreChange] {
        changes.map { StoreChange($0.key.table, $0.key.key, $0.value) }
            .sorted { ($0.table.rawValue, $0.key.hexadecimal) < ($1.table.rawValue, $1.key.hexadecimal) }
    }

    mutating func keep(_ change: StoreChange) {
        let place = Place(table: change.table, key: change.key)
        guard change.table != .peers || changes.count < Self.keyLimit || changes[place] != nil else { return }
        changes[place] = .some(change.value)
    }

    mutating func removeAll() { changes = [:] }

    /// `.some(nil)` when the key was removed, `nil` when nothing is kept for it.
    func value(in table: Table, for key: [UInt8]) -> StoredValue?? {
        changes[Place(table: table, key: key)]
    }

    func changes(in table: Table) -> [StoreChange] {
        ordered.filter { $0.table == table }
    }
}
