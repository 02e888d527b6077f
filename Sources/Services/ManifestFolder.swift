/// The manifests of one directory: which files to read, what they mean for the catalog, and what is to be told of them.
///
/// Every file is a source of its own, called by its name. A file that is refused keeps its last good form, and so does one that
/// cannot be read; only a file that is gone from a directory that could be listed takes its objects away.
package struct ManifestFolder: Sendable {
    /// What tells one state of a file from the next without reading it.
    package struct Fingerprint: Hashable, Sendable {
        package var device: UInt64
        package var inode: UInt64
        package var byteCount: Int64
        package var modifiedNanoseconds: Int64
        package var changedNanoseconds: Int64

        package init(
            device: UInt64, inode: UInt64, byteCount: Int64, modifiedNanoseconds: Int64, changedNanoseconds: Int64
        ) {
            self.device = device
            self.inode = inode
            self.byteCount = byteCount
            self.modifiedNanoseconds = modifiedNanoseconds
            self.changedNanoseconds = changedNanoseconds
        }
    }

    /// What the file system says of an entry.
    package enum Finding: Equatable, Sendable {
        case file(Fingerprint)
        /// It cannot be read, and why.
        case unreadable(String)
        /// Somebody is writing it: it is left as it was.
        case beingWritten
    }

    /// How a file stands.
    package struct File: Equatable, Sendable {
        package var name: String
        /// Why it is refused; `nil` for a good one. What counts then is its last good form, if there was one.
        package var refusal: String?
        /// Objects that count now; of a file that was never good since the start, unknown.
        package var objectCount: Int?
        package var notices: [String] = []
        /// Since when it has been good or refused for this reason, in seconds since 1970.
        package var since: Int64

        package init(
            name: String, refusal: String? = nil, objectCount: Int? = nil, notices: [String] = [], since: Int64
        ) {
            self.name = name
            self.refusal = refusal
            self.objectCount = objectCount
            self.notices = notices
            self.since = since
        }
    }

    package static let fileLimit = 1_000

    package private(set) var files: [File] = []
    /// Files beyond the limit, which are not read.
    package private(set) var ignoredCount = 0

    private let node: String
    private var seen: [String: Finding] = [:]
    /// Files that were sources before the start, and that have not been listed yet.
    private var remembered: Set<String>

    /// - Parameters:
    ///   - node: this node, as `SourceID` names it.
    ///   - known: the files whose objects a catalog holds already.
    package init(node: String, known: [String]) {
        self.node = node
        remembered = Set(known)
    }

    /// Whether an entry of the directory is a manifest, by its name: `.yaml`, `.yml` or `.json`, and not hidden.
    package static func isManifest(_ name: String) -> Bool {
        !name.hasPrefix(".") && [".yaml", ".yml", ".json"].contains { name.hasSuffix($0) }
    }

    /// Takes in what the directory holds now: every manifest in it. Returns what to tell of those that are gone, and which are
    /// to be read; `read` is to be called for each of these.
    package mutating func list(
        _ found: [String: Finding], at unixSeconds: Int64
    ) -> (changes: [CatalogChange], toRead: [String]) {
        let names = found.keys.sorted().prefix(Self.fileLimit)
        ignoredCount = found.count - names.count
        let kept = Set(names)
        var changes: [CatalogChange] = []
        for name in remembered.union(seen.keys).sorted() where !kept.contains(name) {
            changes.append(CatalogChange(source(of: name), .withdrawal))
        }
        remembered = []
        files.removeAll { !kept.contains($0.name) }
        seen = seen.filter { kept.contains($0.key) }
        var toRead: [String] = []
        for name in names {
            guard let finding = found[name], finding != seen[name] else { continue }
            switch finding {
            case .beingWritten:
                // Looked at again when it has been written; until then it is known by what it was.
                if seen[name] == nil { seen[name] = finding }
                continue
            case .unreadable(let reason): refuse(name, reason, at: unixSeconds)
            case .file: toRead.append(name)
            }
            seen[name] = finding
        }
        return (changes, toRead)
    }

    /// Takes in a file's bytes. Returns what to tell the catalog; `nil` when it is refused.
    package mutating func read(_ name: String, _ bytes: [UInt8], at unixSeconds: Int64) -> CatalogChange? {
        do throws(ManifestError) {
            guard !bytes.isEmpty else {
                throw ManifestError(
                    file: name, line: 1, reason: "the file is empty",
                    advice: "write its objects, or remove it; one with nothing but comments holds none")
            }
            let manifest = try Manifest(parsing: bytes, file: name)
            note(
                File(
                    name: name, objectCount: manifest.objects.count,
                    notices: manifest.notices.prefix(20).map(\.description), since: unixSeconds))
            return .everything(manifest.objects, from: source(of: name))
        } catch {
            refuse(name, error.description, at: unixSeconds)
            return nil
        }
    }

    /// A file that was to be read could not be. It is tried again at the next listing.
    package mutating func failedToRead(_ name: String, _ reason: String, at unixSeconds: Int64) {
        seen[name] = .unreadable(reason)
        refuse(name, reason, at: unixSeconds)
    }

    private func source(of name: String) -> SourceID { SourceID(.manifests, node: node, part: name) }

    private mutating func refuse(_ name: String, _ reason: String, at unixSeconds: Int64) {
        var file = files.first { $0.name == name } ?? File(name: name, since: unixSeconds)
        file.refusal = reason
        file.notices = []
        file.since = unixSeconds
        note(file)
    }

    private mutating func note(_ file: File) {
        guard let position = files.firstIndex(where: { $0.name >= file.name }) else {
            files.append(file)
            return
        }
        if files[position].name != file.name {
            files.insert(file, at: position)
        } else {
            var file = file
            if files[position].refusal == file.refusal { file.since = files[position].since }
            files[position] = file
        }
    }
}
