import Linux
import SansIO
import Services

/// Reads the manifests of one directory whenever something in it has changed.
///
/// Watched are the directory, where links in it lead (a ConfigMap's `..data`), and the nearest directory above that is there, so
/// that a directory that is removed, replaced or made later is noticed. Every so often it is looked at without a reason too: not
/// every file system tells what happens in it.
struct FolderReader {
    static let period: Duration = .seconds(60)
    /// How long a file that somebody keeps open for writing is left alone after the last write.
    static let writingPatience: Duration = .seconds(2)
    private static let watchLimit = 64

    let path: String
    private(set) var folder: ManifestFolder
    /// Why the directory cannot be listed.
    private(set) var problem: String?

    private var debounce = Debounce()
    private var lookAt: Instant?
    /// Files that are being written, by their path, and since when no more was written.
    private var writing: [String: Instant] = [:]
    private var watches: [DirectoryEvents.Watch: String] = [:]

    init(path: String, node: String, known: [String]) {
        self.path = path
        folder = ManifestFolder(node: node, known: known)
    }

    var nextDeadline: Instant? {
        [debounce.deadline, lookAt, writing.values.min().map { $0 + Self.writingPatience }].compactMap { $0 }.min()
    }

    /// Takes in what happened in a directory that this reader or another watches.
    mutating func take(_ event: DirectoryEvents.Event, at now: Instant) {
        if !event.change.contains(.lost) {
            guard let folder = watches[event.watch] else { return }
            let file = "\(folder)/\(event.name)"
            if event.change.contains(.writing) { writing[file] = now }
            if !event.change.isDisjoint(with: [.written, .gone]) { writing[file] = nil }
        }
        debounce.touch(at: now)
    }

    /// Looks at the directory if it is time. Returns what to tell the catalog.
    mutating func advance(to now: Instant, wallSeconds: Int64, _ events: DirectoryEvents) -> [CatalogChange] {
        let lapsed = writing.filter { $0.value + Self.writingPatience <= now }
        for file in lapsed.keys { writing[file] = nil }
        let isDue = debounce.takeDue(at: now)
        guard isDue || !lapsed.isEmpty || lookAt.map({ $0 <= now }) ?? true else { return [] }
        lookAt = now + Self.period
        return look(at: wallSeconds, events)
    }

    /// Watches end with the reader.
    mutating func stop(_ events: DirectoryEvents) {
        for watch in watches.keys { events.cancel(watch) }
        watches = [:]
    }

    private mutating func look(at wallSeconds: Int64, _ events: DirectoryEvents) -> [CatalogChange] {
        var wanted: Set = [path, Self.nearestDirectory(above: path)]
        // Watched before it is listed: what happens from here on is told.
        watch(wanted, events)
        var findings: [String: ManifestFolder.Finding] = [:]
        do throws(SystemError) {
            for name in try Directory.names(in: path) where ManifestFolder.isManifest(name) {
                let file = "\(path)/\(name)"
                let target = Directory.resolved(file) ?? file
                if let end = target.lastIndex(of: "/"), target != file { wanted.insert(String(target[..<end])) }
                findings[name] = finding(file, target)
            }
        } catch  where error.name == "ENOENT" {
            // A directory that is not there holds no manifests.
        } catch {
            problem = "\(error)"
            return []
        }
        watch(wanted, events)
        problem = nil
        let (changes, toRead) = folder.list(findings, at: wallSeconds)
        return changes + toRead.compactMap { read($0, at: wallSeconds) }
    }

    private mutating func read(_ name: String, at wallSeconds: Int64) -> CatalogChange? {
        do throws(SystemError) {
            let bytes = try Directory.contents(of: "\(path)/\(name)", limit: Manifest.sizeLimitBytes + 1)
            return folder.read(name, bytes, at: wallSeconds)
        } catch {
            folder.failedToRead(name, "\(error)", at: wallSeconds)
            return nil
        }
    }

    private func finding(_ file: String, _ target: String) -> ManifestFolder.Finding {
        guard writing[file] == nil, writing[target] == nil else { return .beingWritten }
        do throws(SystemError) {
            let entry = try Directory.entry(at: file)
            guard entry.isRegular else { return .unreadable("it is no file; write manifests into files") }
            return .file(
                ManifestFolder.Fingerprint(
                    device: entry.device, inode: entry.inode, byteCount: entry.byteCount,
                    modifiedNanoseconds: entry.modifiedNanoseconds, changedNanoseconds: entry.changedNanoseconds))
        } catch {
            return .unreadable("\(error)")
        }
    }

    /// Watches exactly these, as far as they are there: a directory that was replaced gets a new watch.
    private mutating func watch(_ wanted: Set<String>, _ events: DirectoryEvents) {
        var kept: [DirectoryEvents.Watch: String] = [:]
        for path in wanted.sorted().prefix(Self.watchLimit) {
            // What cannot be watched is looked at periodically.
            if let watch = try? events.watch(path) { kept[watch] = path }
        }
        for watch in watches.keys where kept[watch] == nil { events.cancel(watch) }
        watches = kept
    }

    /// The closest directory above a path that is there.
    static func nearestDirectory(above path: String) -> String {
        var rest = path[...]
        while let end = rest.lastIndex(of: "/") {
            rest = rest[..<end]
            let candidate = rest.isEmpty ? "/" : String(rest)
            if Directory.exists(candidate) { return candidate }
        }
        return "/"
    }
}
