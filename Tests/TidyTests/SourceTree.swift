import Glibc

/// The files of the checkout that these tests were built from.
enum SourceTree {
    /// The folder that holds Package.swift.
    static let root = String(
        #filePath.split(separator: "/").dropLast(3).reduce(into: "") { $0 += "/" + $1 })

    /// Paths below the root of every file in `folder` that ends in `suffix`, sorted.
    static func files(in folder: String, endingIn suffix: String) -> [String] {
        entries(of: folder).flatMap { name in
            let path = folder + "/" + name
            return isFolder(path)
                ? files(in: path, endingIn: suffix) : path.hasSuffix(suffix) ? [path] : []
        }
    }

    /// Names in `folder`, sorted; none if there is no such folder.
    static func entries(of folder: String) -> [String] {
        guard let listing = unsafe opendir(root + "/" + folder) else { return [] }
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

    static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return unsafe stat(root + "/" + path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// The text of a file, or `nil` if it cannot be read.
    static func text(of path: String) -> String? {
        guard let file = unsafe fopen(root + "/" + path, "r") else { return nil }
        defer { unsafe fclose(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65536)
        while case let count = unsafe fread(&chunk, 1, chunk.count, file), count > 0 {
            bytes += chunk[..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
