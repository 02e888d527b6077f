import Services
import Testing

@Suite struct ManifestFolderTests {
    private func print(_ inode: UInt64) -> ManifestFolder.Finding {
        .file(.init(device: 1, inode: inode, byteCount: 1, modifiedNanoseconds: 1, changedNanoseconds: 1))
    }

    private func service(_ name: String) -> [UInt8] {
        Array("kind: Service\nmetadata: {name: \(name)}\nspec: {ports: [{port: 80}]}\n".utf8)
    }

    private func source(_ file: String) -> SourceID { SourceID(.manifests, node: "alpha", part: file) }

    private var folder: ManifestFolder { ManifestFolder(node: "alpha", known: []) }

    @Test(arguments: [
        ("web.yaml", true), ("web.yml", true), ("web.json", true), (".web.yaml", false), ("web.yaml~", false),
        ("web.yaml.swp", false), ("..data", false), ("README", false),
    ])
    func `manifests are known by their names`(name: String, isManifest: Bool) {
        #expect(ManifestFolder.isManifest(name) == isManifest)
    }

    @Test func `each file is a source, read once for each state of it`() throws {
        var folder = folder
        #expect(folder.list(["b.yaml": print(2), "a.yaml": print(1)], at: 5).toRead == ["a.yaml", "b.yaml"])
        let taken = folder.read("a.yaml", service("web"), at: 5)
        let change = try #require(taken)
        #expect(change.source == source("a.yaml"))
        guard case .everything(let objects, of: Set(ObjectClass.allCases)) = change.content else {
            Issue.record("\(change)")
            return
        }
        #expect(objects.map(\.key) == [.service(ServiceName(namespace: "default", name: "web"))])
        _ = folder.read("b.yaml", service("api"), at: 5)
        #expect(folder.list(["b.yaml": print(2), "a.yaml": print(1)], at: 6).toRead == [])
        #expect(folder.list(["b.yaml": print(3), "a.yaml": print(1)], at: 7).toRead == ["b.yaml"])
        #expect(folder.files.map(\.name) == ["a.yaml", "b.yaml"])
        #expect(folder.files.map(\.objectCount) == [1, 1])
    }

    @Test func `a bad file is refused with line and reason, and its last good form stays`() throws {
        var folder = folder
        _ = folder.list(["a.yaml": print(1)], at: 5)
        _ = folder.read("a.yaml", service("web"), at: 5)
        _ = folder.list(["a.yaml": print(2)], at: 6)
        let bad = Array("kind: Service\nmetadata: {name: web}\nspec: {ports: [{port: http}]}\n".utf8)
        #expect(folder.read("a.yaml", bad, at: 6) == nil)
        let file = try #require(folder.files.first)
        #expect(file.refusal?.hasPrefix("a.yaml:3: spec.ports[0].port must be a number") == true)
        #expect(file.objectCount == 1)
        #expect(file.since == 6)
        _ = folder.list(["a.yaml": print(3)], at: 9)
        #expect(folder.read("a.yaml", bad, at: 9) == nil)
        #expect(folder.files.first?.since == 6, "it is refused for the same reason since then")
        _ = folder.list(["a.yaml": print(4)], at: 10)
        #expect(folder.read("a.yaml", service("web"), at: 10) != nil)
        #expect(folder.files == [.init(name: "a.yaml", objectCount: 1, since: 10)])
    }

    @Test func `an empty file is refused, as one that was cut off would be empty; comments alone hold no objects`()
        throws
    {
        var folder = folder
        _ = folder.list(["a.yaml": print(1)], at: 5)
        #expect(folder.read("a.yaml", [], at: 5) == nil)
        #expect(folder.files.first?.refusal?.hasPrefix("a.yaml:1: the file is empty") == true)
        let change = folder.read("a.yaml", Array("# nothing for now\n".utf8), at: 6)
        #expect(change == .everything([], from: source("a.yaml")))
    }

    @Test func `a file that is gone takes its objects away, also when it went before the start`() {
        var folder = ManifestFolder(node: "alpha", known: ["old.yaml", "a.yaml"])
        let first = folder.list(["a.yaml": print(1)], at: 5)
        #expect(first.changes == [CatalogChange(source("old.yaml"), .withdrawal)])
        #expect(first.toRead == ["a.yaml"])
        #expect(folder.list([:], at: 6).changes == [CatalogChange(source("a.yaml"), .withdrawal)])
        #expect(folder.files == [])
        #expect(folder.list([:], at: 7).changes == [])
    }

    @Test func `a file that cannot be read, or is being written, stays what it was`() throws {
        var folder = ManifestFolder(node: "alpha", known: ["a.yaml"])
        let listed = folder.list(["a.yaml": .unreadable("it may not be read"), "new.yaml": .beingWritten], at: 5)
        #expect(listed.changes == [])
        #expect(listed.toRead == [])
        #expect(folder.files == [.init(name: "a.yaml", refusal: "it may not be read", since: 5)])
        #expect(folder.list(["a.yaml": print(1), "new.yaml": print(2)], at: 6).toRead == ["a.yaml", "new.yaml"])
        folder.failedToRead("a.yaml", "gone wrong", at: 6)
        #expect(
            folder.list(["a.yaml": print(1), "new.yaml": print(2)], at: 7).toRead == ["a.yaml"], "it is tried again")
        _ = folder.read("a.yaml", service("web"), at: 7)
        #expect(folder.list(["a.yaml": .beingWritten, "new.yaml": print(2)], at: 8).toRead == [])
        #expect(folder.list(["a.yaml": print(9), "new.yaml": print(2)], at: 9).toRead == ["a.yaml"])
    }

    @Test func `files beyond the limit are told, not read`() {
        var folder = folder
        var found: [String: ManifestFolder.Finding] = [:]
        for number in 0..<(ManifestFolder.fileLimit + 3) { found["\(10_000 + number).yaml"] = print(UInt64(number)) }
        #expect(folder.list(found, at: 5).toRead.count == ManifestFolder.fileLimit)
        #expect(folder.ignoredCount == 3)
    }
}
