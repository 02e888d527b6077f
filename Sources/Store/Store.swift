/// The node's state on disk: keys, certificates, known peers, revocations, counters and what to undo.
///
/// One SQLite file, written only by the control thread (the class is not `Sendable`). A write returns when it would
/// survive a power cut. A write that the disk refuses throws, but its values stay readable and are written together
/// with the next change, so a full disk stops persistence and nothing else.
package final class Store {
    /// How the file was found at start.
    package enum Opening: Equatable, Sendable {
        case existing
        case created
        /// The file was damaged and moved to `keptAs`; this store begins empty.
        case recovered(keptAs: String, reason: String)
    }

    /// The largest value a table takes.
    package static let valueLimitBytes = 64 << 10
    /// "KMsh": marks the file as ours for `file` and for `sqlite3`.
    private static let applicationID = 0x4b4d_7368
    private static let formatVersion = 1

    package let path: String
    package let opening: Opening
    /// Paths whose rights were too wide and have been narrowed, worth a warning.
    package let narrowedPaths: [String]

    let database: Database
    private var unsaved = UnsavedChanges()

    /// Opens or creates `state.db` in `directory`; the directory's parent must exist.
    package init(directory: String) throws(StoreError) {
        let file = StateFile(directory: directory)
        var findings = try file.prepare()
        path = file.path
        do {
            database = try Self.openDatabase(file.path)
            opening = findings.isNew ? .created : .existing
        } catch .damaged(_, let reason) {
            let kept = try file.setAside()
            let narrowed = findings.narrowed
            findings = try file.prepare()
            findings.narrowed = narrowed
            database = try Self.openDatabase(file.path)
            opening = .recovered(keptAs: kept, reason: reason)
        }
        narrowedPaths = findings.narrowed
    }

    /// How many changes are in memory only, because the disk refused them.
    package var unsavedCount: Int { unsaved.count }

    package func value(in table: Table, for key: [UInt8]) throws(StoreError) -> StoredValue? {
        if let kept = unsaved.value(in: table, for: key) { return kept }
        let statement = try database.statement("SELECT number, bytes FROM \(table.rawValue) WHERE key = ?1")
        statement.bind(1, key)
        guard try database.step(statement) else { return nil }
        return StoredValue(number: statement.number(0), bytes: statement.bytes(1))
    }

    /// A whole table, ordered by key.
    package func entries(in table: Table) throws(StoreError) -> [(key: [UInt8], value: StoredValue)] {
        let kept = unsaved.changes(in: table)
        let keptKeys = Set(kept.map(\.key))
        var entries: [(key: [UInt8], value: StoredValue)] = []
        let statement = try database.statement("SELECT key, number, bytes FROM \(table.rawValue) ORDER BY key")
        while try database.step(statement) {
            let key = statement.bytes(0)
            guard !keptKeys.contains(key) else { continue }
            entries.append((key, StoredValue(number: statement.number(1), bytes: statement.bytes(2))))
        }
        guard !kept.isEmpty else { return entries }
        entries += kept.compactMap { change in change.value.map { (change.key, $0) } }
        return entries.sorted { $0.key.lexicographicallyPrecedes($1.key) }
    }

    /// Makes all changes or none, together with those that an earlier call could not write.
    ///
    /// When this throws, the changes are in memory only, and reads see them.
    package func save(_ changes: [StoreChange]) throws(StoreError) {
        for change in changes {
            let count = change.key.count + (change.value?.bytes.count ?? 0)
            precondition(count <= Self.valueLimitBytes, "\(change.table) got a value of \(count) bytes")
        }
        let all = unsaved.ordered + changes
        guard !all.isEmpty else { return }
        do {
            try database.transaction { () throws(StoreError) in
                for change in all { try write(change) }
            }
        } catch {
            for change in changes { unsaved.keep(change) }
            throw error
        }
        unsaved.removeAll()
    }

    /// Writes what an earlier call could not.
    package func saveUnsaved() throws(StoreError) {
        try save([])
    }

    private func write(_ change: StoreChange) throws(StoreError) {
        let table = change.table.rawValue
        guard let value = change.value else {
            let statement = try database.statement("DELETE FROM \(table) WHERE key = ?1")
            statement.bind(1, change.key)
            _ = try database.step(statement)
            return
        }
        let statement = try database.statement(
            "INSERT INTO \(table) (key, number, bytes) VALUES (?1, ?2, ?3)"
                + " ON CONFLICT (key) DO UPDATE SET number = ?2, bytes = ?3")
        statement.bind(1, change.key)
        statement.bind(2, value.number)
        statement.bind(3, value.bytes)
        _ = try database.step(statement)
    }

    /// Opens the file, checks that its pages agree, and creates the tables of a new one.
    private static func openDatabase(_ path: String) throws(StoreError) -> Database {
        let database = try Database.open(path: path)
        let owner = try database.text("PRAGMA application_id")
        let isEmpty = try database.text("SELECT count(*) FROM sqlite_schema") == "0"
        guard isEmpty || owner == String(applicationID) else {
            throw .damaged(path: path, reason: "it is a database of another program")
        }
        let found = Int(try database.text("PRAGMA user_version")) ?? 0
        guard found <= formatVersion else {
            throw .newerVersion(path: path, found: found, known: formatVersion)
        }
        try database.transaction { () throws(StoreError) in
            for table in Table.allCases {
                try database.execute(
                    "CREATE TABLE IF NOT EXISTS \(table.rawValue) (key BLOB PRIMARY KEY, number INTEGER NOT NULL,"
                        + " bytes BLOB NOT NULL) STRICT, WITHOUT ROWID")
            }
            guard found == 0 else { return }
            try database.execute("PRAGMA application_id=\(applicationID)")
            try database.execute("PRAGMA user_version=\(formatVersion)")
        }
        let verdict = try database.text("PRAGMA quick_check(1)")
        guard verdict == "ok" else { throw .damaged(path: path, reason: verdict) }
        return database
    }
}
