import Lab

/// A .deb and what is in it.
struct BuiltPackage {
    let path: String
    /// The package's files, unpacked.
    let tree: String

    /// What the tests look at: KUBEMESH_DEB, else the package of this checkout, built once for all of them.
    static func current() throws -> BuiltPackage { try built.get() }

    private static let built = Result<BuiltPackage, any Error> {
        if let path = Requirement.variable("KUBEMESH_DEB") { return try BuiltPackage(path: path, unpackedAs: "tree") }
        return try build([], into: "current", limit: .seconds(1000))
    }

    private init(path: String, unpackedAs name: String) throws {
        self.path = path
        tree = try Checkout.emptyFolder(name)
        try Command(["dpkg-deb", "--extract", path, tree]).run()
    }

    /// The same programs packed again, by default as the same version.
    func packedAgain(into folder: String, version: String? = nil) throws -> BuiltPackage {
        let binaries = try Checkout.emptyFolder("binaries")
        try Command(["cp", tree + "/usr/sbin/meshd", tree + "/usr/bin/meshctl", binaries]).run()
        let options = ["--no-lintian", "--binaries", binaries] + (version.map { ["--version", $0] } ?? [])
        return try Self.build(options, into: folder, limit: .seconds(60))
    }

    private static func build(_ options: [String], into folder: String, limit: Duration) throws -> BuiltPackage {
        let folder = try Checkout.emptyFolder(folder)
        let command = Command([Checkout.path("packaging/build-deb")] + options + [folder])
        let lines = try command.run(within: limit).split(separator: "\n")
        guard let path = lines.last else { throw LabError.unexpected("build-deb did not say what it built") }
        return try BuiltPackage(path: String(path), unpackedAs: "tree-" + folder.fileName)
    }

    /// A field of the control file.
    func field(_ name: String) throws -> String {
        String(try Command(["dpkg-deb", "--field", path, name]).run().dropLast())
    }

    /// The size of a file of the package in bytes.
    func size(of file: String) throws -> Int {
        let size = Int(try Command(["stat", "--format=%s", tree + file]).run().dropLast())
        guard let size else { throw LabError.unexpected("stat of \(file) gave no number") }
        return size
    }
}

extension Result where Failure == any Error {
    /// The outcome of `body`, to be asked for more than once.
    fileprivate init(_ body: () throws -> Success) {
        do { self = .success(try body()) } catch { self = .failure(error) }
    }
}
