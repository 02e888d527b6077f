package import Services
package import Wire

/// The catalog on disk: read whole at start, then kept in step by batches.
///
/// A batch is one transaction, so a kill leaves the catalog as it was after one batch or the next. A batch that the disk
/// refuses is not kept here: the catalog holds the same objects, and gives the rows again.
extension Store {
    /// The largest row: a slice with as many endpoints as a manifest may hold.
    package static let catalogRowLimitBytes = 4 << 20

    /// A catalog as it was when it was last saved. Damaged rows are counted in it and left out.
    package func catalog(ownNode: String, serviceRanges: [IPPrefix]) throws(StoreError) -> Catalog {
        var rows: [CatalogRow] = []
        let statement = try database.statement("SELECT key, bytes FROM \(Table.catalog.rawValue)")
        while try database.step(statement) {
            rows.append(CatalogRow(key: statement.bytes(0), bytes: statement.bytes(1)))
        }
        return Catalog(ownNode: ownNode, serviceRanges: serviceRanges, rows: rows)
    }

    /// Writes what differs from the disk. When this throws, the catalog still counts it as unsaved.
    package func save(_ catalog: inout Catalog) throws(StoreError) {
        let rows = catalog.takeUnsavedRows()
        guard !rows.isEmpty else { return }
        do {
            try database.transaction { () throws(StoreError) in try write(rows) }
        } catch {
            catalog.putBack(rows)
            throw error
        }
    }

    private func write(_ rows: [CatalogRow]) throws(StoreError) {
        let table = Table.catalog.rawValue
        let insertion = try database.statement(
            "INSERT INTO \(table) (key, number, bytes) VALUES (?1, 0, ?2) ON CONFLICT (key) DO UPDATE SET bytes = ?2")
        let deletion = try database.statement("DELETE FROM \(table) WHERE key = ?1")
        for row in rows {
            guard let bytes = row.bytes, bytes.count <= Self.catalogRowLimitBytes else {
                deletion.bind(1, row.key)
                _ = try database.step(deletion)
                deletion.reset()
                continue
            }
            insertion.bind(1, row.key)
            insertion.bind(2, bytes)
            _ = try database.step(insertion)
            insertion.reset()
        }
    }
}
