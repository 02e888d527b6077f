import Glibc

/// Files and folders, as far as tests and the lab need them.
package enum Files {
    /// Names in `folder`, sorted, without those that start with a dot; none if there is no such folder.
    package static func entries(of folder: String) -> [String] {
        guard let listing = unsafe opendir(folder) else { return [] }
        defer { unsafe closedir(listing) }
        var names: [String] = []
        while let entry = unsafe readdir(listing) {
            let name = unsafe withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names.sorted()
    }

    package static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return unsafe stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    package static func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }

    /// The number that tells one file, or one namespace below /run/netns, from another.
    package static func inode(of path: String) -> UInt? {
        var status = stat()
        return unsafe stat(path, &status) == 0 ? status.st_ino : nil
    }

    package static func bytes(of path: String) -> [UInt8]? {
        guard let file = unsafe fopen(path, "re") else { return nil }
        defer { unsafe fclose(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65536)
        while case let count = unsafe fread(&chunk, 1, chunk.count, file), count > 0 {
            bytes += chunk[..<count]
        }
        return bytes
    }

    /// The text of a file, or `nil` if it cannot be read.
    package static func text(of path: String) -> String? {
        bytes(of: path).map { String(decoding: $0, as: UTF8.self) }
    }

    /// Where a symbolic link points to.
    package static func target(ofLink path: String) -> String? {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = unsafe buffer.withUnsafeMutableBytes { bytes in
            unsafe readlink(path, bytes.baseAddress!.assumingMemoryBound(to: CChar.self), bytes.count)
        }
        return count < 0 ? nil : String(decoding: buffer[..<count], as: UTF8.self)
    }

    package static func write(_ text: String, to path: String) throws(LabError) {
        let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw .system(call: "open", object: path, code: errno) }
        defer { close(descriptor) }
        var rest = ArraySlice(text.utf8)
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { throw .system(call: "write", object: path, code: errno) }
            rest = rest.dropFirst(count)
        }
    }

    /// Makes `path` and the folders above it, as far as they are missing.
    package static func makeFolder(_ path: String) throws(LabError) {
        var built = ""
        for name in path.split(separator: "/") {
            built += "/" + name
            guard unsafe mkdir(built, 0o755) == 0 || errno == EEXIST else {
                throw .system(call: "mkdir", object: built, code: errno)
            }
        }
    }
}

extension LabError {
    static func text(of code: Int32) -> String { unsafe String(cString: strerror(code)) }
}
