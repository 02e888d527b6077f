import Lab

/// The checkout that these tests were built from.
enum Checkout {
    /// The folder that holds Package.swift.
    static let root = #filePath.split(separator: "/").dropLast(3).reduce(into: "") { $0 += "/" + $1 }

    static func path(_ path: String) -> String { root + "/" + path }

    /// A folder for what the tests make, emptied.
    static func emptyFolder(_ name: String) throws(LabError) -> String {
        let folder = path(".build/package-tests/\(name)")
        try Command(["rm", "-rf", "--one-file-system", folder]).run()
        try Files.makeFolder(folder)
        return folder
    }
}

extension String {
    /// The last part of a path.
    var fileName: String { String(self[(lastIndex(of: "/").map(index(after:)) ?? startIndex)...]) }
}
