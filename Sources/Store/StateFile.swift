import Glibc

/// The state directory and the database file in it, as the file system has them.
///
/// Both are for the daemon alone: directory 0700, file 0600. Wider rights are taken away; a foreign owner, a symbolic
/// link or anything that is not a directory and a plain file is refused, because its owner could swap keys under us.
struct StateFile {
    static let name = "state.db"
    /// Damaged files kept beside the live one; the oldest numbers stay, later damage is kept over the last.
    static let keptLimit = 9

    let directory: String

    var path: String { "\(directory)/\(Self.name)" }

    /// What `prepare()` found and did.
    struct Findings: Equatable {
        var isNew = false
        /// Paths whose rights were too wide and are right now.
        var narrowed: [String] = []
    }

    /// Creates what is missing and narrows rights that are too wide.
    func prepare() throws(StoreError) -> Findings {
        var findings = Findings()
        let owner = try prepareDirectory(&findings)
        try prepareFile(owner: owner, &findings)
        return findings
    }

    /// Moves the database and its log out of the way and returns the database's new path.
    func setAside() throws(StoreError) -> String {
        var number = 1
        while number < Self.keptLimit, unsafe access("\(path).corrupt-\(number)", F_OK) == 0 { number += 1 }
        let kept = "\(path).corrupt-\(number)"
        guard unsafe rename(path, kept) == 0 else { throw failure("set aside", path) }
        for suffix in ["-wal", "-journal"] where unsafe access(path + suffix, F_OK) == 0 {
            guard unsafe rename(path + suffix, kept + suffix) == 0 else { throw failure("set aside", path + suffix) }
        }
        return kept
    }

    private func prepareDirectory(_ findings: inout Findings) throws(StoreError) -> stat {
        if unsafe mkdir(directory, 0o700) != 0, errno != EEXIST { throw failure("create", directory) }
        let descriptor = unsafe open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure("open", directory) }
        defer { close(descriptor) }
        return try check(descriptor, directory, mode: 0o700, &findings)
    }

    private func prepareFile(owner: stat, _ findings: inout Findings) throws(StoreError) {
        var descriptor = unsafe open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC)
        if descriptor < 0, errno == ENOENT {
            descriptor = unsafe open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
            findings.isNew = true
        }
        guard descriptor >= 0 else { throw failure("open", path) }
        defer { close(descriptor) }
        if findings.isNew, geteuid() == 0, fchown(descriptor, owner.st_uid, owner.st_gid) != 0 {
            throw failure("give away", path)
        }
        let status = try check(descriptor, path, mode: 0o600, &findings)
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw .notPermitted(path: path, reason: "it is not a plain file")
        }
    }

    /// The status of an open file, once its owner is right and its rights are no wider than `mode`.
    private func check(
        _ descriptor: Int32, _ path: String, mode: mode_t, _ findings: inout Findings
    ) throws(StoreError) -> stat {
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else { throw failure("examine", path) }
        guard geteuid() == 0 || status.st_uid == geteuid() else {
            throw .notPermitted(path: path, reason: "it belongs to user \(status.st_uid)")
        }
        if status.st_mode & 0o7777 & ~mode != 0 {
            guard fchmod(descriptor, mode) == 0 else { throw failure("narrow the rights of", path) }
            findings.narrowed.append(path)
        }
        return status
    }

    private func failure(_ operation: String, _ path: String) -> StoreError {
        let code = errno
        let reason = unsafe String(cString: strerror(code))
        return switch code {
        case ENOSPC, EDQUOT: .diskFull(path: path)
        case EACCES, EPERM, EROFS, ELOOP, ENOTDIR: .notPermitted(path: path, reason: reason)
        default: .failed(path: path, operation: operation, reason: reason)
        }
    }
}
