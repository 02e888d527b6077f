import CSQLite
import Glibc

/// One SQLite database file, held exclusively and closed when the value ends.
///
/// Write-ahead log with `synchronous=FULL`: a commit returns after its log frames were synced, so what was acknowledged
/// survives a power cut, at the price of one `fsync`. A rollback journal would need three, and would write pages in
/// place, where a kill in the middle needs a hot-journal rollback at the next start. The exclusive lock keeps a second
/// daemon out and spares the shared-memory file.
@safe struct Database: ~Copyable {
    private let handle: OpaquePointer
    private let path: String

    /// Opens `path`, which must exist, and takes its lock.
    static func open(path: String) throws(StoreError) -> Database {
        var opened: OpaquePointer?
        let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW
        let result = unsafe sqlite3_open_v2(path, &opened, flags, nil)
        guard let opened = unsafe opened else {
            throw .failed(path: path, operation: "open", reason: "out of memory")
        }
        let database = unsafe Database(opened, path: path)
        guard result == SQLITE_OK else { throw database.error("open") }
        try database.execute(
            """
            PRAGMA locking_mode=EXCLUSIVE;
            PRAGMA journal_mode=WAL;
            PRAGMA synchronous=FULL;
            PRAGMA secure_delete=ON;
            PRAGMA temp_store=MEMORY;
            PRAGMA cache_size=-256;
            PRAGMA max_page_count=\(sizeLimitBytes / pageBytes);
            """)
        return database
    }

    private init(_ handle: OpaquePointer, path: String) {
        unsafe self.handle = handle
        self.path = path
    }

    deinit {
        // Checkpoints and removes the log. A failure leaves the log, which the next open replays.
        unsafe sqlite3_close_v2(handle)
    }

    static let pageBytes = 4096
    static let sizeLimitBytes = 64 << 20

    /// Runs statements that return nothing of interest.
    func execute(_ sql: String) throws(StoreError) {
        guard unsafe sqlite3_exec(handle, sql, nil, nil, nil) == SQLITE_OK else { throw error("write") }
    }

    /// Runs `body` as one transaction: all of it is on disk afterwards, or none.
    func transaction(_ body: () throws(StoreError) -> Void) throws(StoreError) {
        try execute("BEGIN IMMEDIATE")
        do {
            try body()
            try execute("COMMIT")
        } catch {
            // SQLite has rolled back by itself after some errors; then this one fails and changes nothing.
            try? execute("ROLLBACK")
            throw error
        }
    }

    /// Compiles one statement.
    func statement(_ sql: String) throws(StoreError) -> Statement {
        var compiled: OpaquePointer?
        guard unsafe sqlite3_prepare_v2(handle, sql, -1, &compiled, nil) == SQLITE_OK,
            let compiled = unsafe compiled
        else { throw error("read") }
        return unsafe Statement(compiled)
    }

    /// Advances `statement`; `true` when it stands on a row.
    func step(_ statement: borrowing Statement) throws(StoreError) -> Bool {
        switch statement.step() {
        case SQLITE_ROW: return true
        case SQLITE_DONE: return false
        default: throw error("access")
        }
    }

    /// The first column of the only row of `sql`.
    func text(_ sql: String) throws(StoreError) -> String {
        let statement = try statement(sql)
        return try step(statement) ? statement.text(0) : ""
    }

    /// The last failure on this handle, in the operator's words.
    private func error(_ operation: String) -> StoreError {
        let code = unsafe sqlite3_errcode(handle)
        let systemError = unsafe sqlite3_system_errno(handle)
        let reason = unsafe String(cString: sqlite3_errmsg(handle))
        if code == SQLITE_FULL || code == SQLITE_IOERR && [ENOSPC, EDQUOT].contains(systemError) {
            return .diskFull(path: path)
        }
        switch code {
        case SQLITE_CORRUPT, SQLITE_NOTADB: return .damaged(path: path, reason: reason)
        case SQLITE_BUSY, SQLITE_LOCKED: return .inUse(path: path)
        case SQLITE_PERM, SQLITE_AUTH, SQLITE_READONLY, SQLITE_CANTOPEN:
            return .notPermitted(path: path, reason: reason)
        default: return .failed(path: path, operation: operation, reason: reason)
        }
    }
}

/// A compiled statement with its bound values, freed when the value ends. Parameters count from 1, columns from 0.
@safe struct Statement: ~Copyable {
    private let handle: OpaquePointer

    fileprivate init(_ handle: OpaquePointer) {
        unsafe self.handle = handle
    }

    deinit { unsafe sqlite3_finalize(handle) }

    /// Binding fails only for an index that the statement does not have, which would be our mistake.
    func bind(_ index: Int32, _ bytes: [UInt8]) {
        let result = unsafe bytes.withUnsafeBytes { block in
            unsafe kubemesh_bind_copied_blob(handle, index, block.baseAddress, Int32(block.count))
        }
        precondition(result == SQLITE_OK, "cannot bind parameter \(index)")
    }

    func bind(_ index: Int32, _ number: UInt64) {
        let result = unsafe sqlite3_bind_int64(handle, index, Int64(clamping: number))
        precondition(result == SQLITE_OK, "cannot bind parameter \(index)")
    }

    /// Ready to be bound and stepped again.
    func reset() {
        // The result repeats that of the last step, which has been looked at.
        _ = unsafe sqlite3_reset(handle)
    }

    func number(_ column: Int32) -> UInt64 {
        UInt64(clamping: unsafe sqlite3_column_int64(handle, column))
    }

    func bytes(_ column: Int32) -> [UInt8] {
        let count = unsafe Int(sqlite3_column_bytes(handle, column))
        guard count > 0, let start = unsafe sqlite3_column_blob(handle, column) else { return [] }
        return unsafe [UInt8](UnsafeRawBufferPointer(start: start, count: count))
    }

    func text(_ column: Int32) -> String { String(decoding: bytes(column), as: UTF8.self) }

    fileprivate func step() -> Int32 { unsafe sqlite3_step(handle) }
}
