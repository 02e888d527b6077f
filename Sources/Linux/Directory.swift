import Glibc

/// Entries of directories, and what the file system says of them.
package enum Directory {
    /// What a path leads to, links followed.
    package struct Entry: Equatable, Sendable {
        package let isRegular: Bool
        package let device: UInt64
        package let inode: UInt64
        package let byteCount: Int64
        package let modifiedNanoseconds: Int64
        package let changedNanoseconds: Int64
    }

    /// The names in a directory, without itself and its parent, in no order.
    package static func names(in path: String) throws(SystemError) -> [String] {
        guard let stream = unsafe opendir(path) else { throw SystemError("list \(path)", code: errno) }
        defer { unsafe _ = closedir(stream) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = unsafe readdir(stream) else {
                guard errno == 0 else { throw SystemError("list \(path)", code: errno) }
                return names
            }
            let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
    }

    package static func entry(at path: String) throws(SystemError) -> Entry {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else { throw SystemError("look at \(path)", code: errno) }
        return Entry(
            isRegular: status.st_mode & S_IFMT == S_IFREG, device: UInt64(status.st_dev), inode: UInt64(status.st_ino),
            byteCount: Int64(status.st_size), modifiedNanoseconds: nanoseconds(status.st_mtim),
            changedNanoseconds: nanoseconds(status.st_ctim))
    }

    package static func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }

    /// The path without any link in it; `nil` where it leads nowhere.
    package static func resolved(_ path: String) -> String? {
        guard let text = unsafe realpath(path, nil) else { return nil }
        defer { unsafe free(text) }
        return unsafe String(cString: text)
    }

    /// The first bytes of a regular file, `limit` at most.
    package static func contents(of path: String, limit: Int) throws(SystemError) -> [UInt8] {
        // A pipe that stands there by now must not hold the caller up.
        let file = try FileDescriptor.open(path, flags: O_RDONLY | O_NONBLOCK | O_NOCTTY)
        var bytes: [UInt8] = []
        while bytes.count < limit {
            guard case .bytes = try file.read(into: &bytes, limit: min(1 << 16, limit - bytes.count)) else { break }
        }
        return bytes
    }

    private static func nanoseconds(_ time: timespec) -> Int64 {
        Int64(time.tv_sec).multipliedReportingOverflow(by: 1_000_000_000).partialValue &+ Int64(time.tv_nsec)
    }
}
