import Lab

/// The files of the checkout that these tests were built from.
enum SourceTree {
    /// The folder that holds Package.swift.
    private static let root = #filePath.split(separator: "/").dropLast(3).reduce(into: "") { $0 += "/" + $1 }

    /// Paths below the root of every file in `folder` that ends in `suffix`, sorted.
    static func files(in folder: String, endingIn suffix: String) -> [String] {
        entries(of: folder).flatMap { name in
            let path = folder + "/" + name
            return Files.isFolder(root + "/" + path)
                ? files(in: path, endingIn: suffix) : path.hasSuffix(suffix) ? [path] : []
        }
    }

    /// Names in `folder`, sorted; none if there is no such folder.
    static func entries(of folder: String) -> [String] { Files.entries(of: root + "/" + folder) }

    /// The text of a file, or `nil` if it cannot be read.
    static func text(of path: String) -> String? { Files.text(of: root + "/" + path) }
}
