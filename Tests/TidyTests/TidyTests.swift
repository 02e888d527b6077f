import Testing

/// The rules of docs/development.md, checked on the checkout itself.
@Suite struct TidyTests {
    private let layers: Layers

    init() throws {
        layers = Layers(manifest: try #require(SourceTree.text(of: "Package.swift")))
    }

    @Test func `every target under Sources is assigned to a layer`() {
        let unassigned = SourceTree.entries(of: "Sources").filter { layers.layer(of: $0) == nil }
        #expect(unassigned == [], "list them in a section of Package.swift")
    }

    @Test func `imports point down or sideways in the layers`() {
        let objections = swiftFiles(in: "Sources").flatMap { file in
            file.source.imports.compactMap { use in
                layers.objection(to: use.module, importedBy: file.target).map {
                    "\(file.path):\(use.line): \($0)"
                }
            }
        }
        #expect(objections == [])
    }

    @Test func `pure targets do no I/O and know neither time nor chance`() {
        let pureFiles = swiftFiles(in: "Sources").filter {
            Layers.pure.contains(layers.layer(of: $0.target) ?? "")
        }
        #expect(!pureFiles.isEmpty)
        let objections = pureFiles.flatMap { file in
            Rules.impurities(in: file.source, except: Set(Rules.exceptions[file.path, default: [:]].keys))
                .map { "\(file.path):\($0)" }
        }
        #expect(objections == [])
    }

    @Test func `nothing is public, nothing crashes on purpose`() {
        let objections = swiftFiles(in: "Sources").flatMap { file in
            Rules.blemishes(in: file.source).map { "\(file.path):\($0)" }
        }
        #expect(objections == [])
    }

    @Test(arguments: ["Sources", "Tests", "scripts", "packaging", "docs"])
    func `no unfinished work is left in the text`(folder: String) {
        let marked = SourceTree.files(in: folder, endingIn: "").filter { path in
            let text = SourceTree.text(of: path) ?? ""
            return Rules.unfinishedMarks.contains { text.contains($0) }
        }
        #expect(marked == [])
    }

    @Test(arguments: ["Sources", "Tests"])
    func `no file is too long to hold in mind`(folder: String) {
        let long = swiftFiles(in: folder).filter { $0.source.lines.count > Rules.lineLimit }
        #expect(long.map { "\($0.path): \($0.source.lines.count) lines" } == [])
    }

    @Test func `every exception still names a file that needs it`() {
        let stale = Rules.exceptions.filter { path, words in
            guard let text = SourceTree.text(of: path) else { return true }
            let used = Set(SourceText(text).lines.flatMap(\.tokens))
            return !used.isSuperset(of: words.keys)
        }
        #expect(stale.keys.sorted() == [])
    }

    private func swiftFiles(in folder: String) -> [(path: String, target: String, source: SourceText)] {
        SourceTree.files(in: folder, endingIn: ".swift").compactMap { path in
            guard let text = SourceTree.text(of: path) else { return nil }
            return (path, String(path.split(separator: "/")[1]), SourceText(text))
        }
    }
}
