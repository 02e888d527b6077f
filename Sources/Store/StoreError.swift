/// Why state could not be read from or written to disk; every message names the file and the next step.
package enum StoreError: Error, Equatable, Sendable {
    /// The file system, its quota or the file's own size limit has no room. Nothing was lost in memory.
    case diskFull(path: String)
    case notPermitted(path: String, reason: String)
    /// Another process holds the database.
    case inUse(path: String)
    /// The file is no database of ours, or its pages contradict each other.
    case damaged(path: String, reason: String)
    /// Written by a later release, whose tables this one does not know.
    case newerVersion(path: String, found: Int, known: Int)
    case failed(path: String, operation: String, reason: String)
}

extension StoreError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .diskFull(let path):
            "no room to write \(path): free some disk space; changes are kept in memory and written with the next one"
        case .notPermitted(let path, let reason):
            "cannot use \(path): \(reason); it must belong to the user that runs meshd, with no rights for others"
        case .inUse(let path):
            "\(path) is in use by another process: stop the other meshd first"
        case .damaged(let path, let reason):
            "\(path) is damaged (\(reason)): restart meshd to set it aside, then join again with meshctl up TOKEN"
        case .newerVersion(let path, let found, let known):
            "\(path) has format \(found), this release knows \(known): install the newer release again, or move the file away"
        case .failed(let path, let operation, let reason):
            "cannot \(operation) \(path): \(reason)"
        }
    }
}
