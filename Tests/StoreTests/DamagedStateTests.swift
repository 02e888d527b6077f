import Glibc
import Testing

@testable import Store

@Suite struct DamagedStateTests {
    private let directory = TemporaryDirectory()
    private var path: String { "\(directory.path)/state.db" }

    @Test func `a file that is no database is kept aside and a new one begun`() throws {
        let noise = (0..<10_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        TestFile.write(noise, to: path)
        let store = try Store(directory: directory.path)
        #expect(
            store.opening
                == .recovered(keptAs: "\(path).corrupt-1", reason: "file is not a database"))
        #expect(TestFile.read("\(path).corrupt-1") == noise)
        try store.raise(.recordNumber, to: 1)
        #expect(try store.counter(.recordNumber) == 1)
    }

    @Test func `a truncated database is kept aside under the next free number`() throws {
        try fill()
        let bytes = try #require(TestFile.read(path))
        TestFile.write([], to: "\(path).corrupt-1")
        TestFile.write(Array(bytes.prefix(bytes.count / 2)), to: path)
        let store = try Store(directory: directory.path)
        guard case .recovered(let kept, _) = store.opening else {
            Issue.record("opened as \(store.opening)")
            return
        }
        #expect(kept == "\(path).corrupt-2")
        #expect(try store.entries(in: .peers).isEmpty)
    }

    @Test(arguments: 0..<24)
    func `overwritten pages are never served as state`(_ seed: Int) throws {
        try fill()
        let original = try Store(directory: directory.path).entries(in: .peers).map(\.value)
        var bytes = try #require(TestFile.read(path))
        let page = 4096 * (seed % (bytes.count / 4096))
        for offset in page..<min(page + 4096, bytes.count) {
            bytes[offset] = UInt8(truncatingIfNeeded: offset &* 37 &+ seed)
        }
        TestFile.write(bytes, to: path)
        let store = try Store(directory: directory.path)
        if store.opening == .existing {
            #expect(try store.entries(in: .peers).map(\.value) == original)
        } else {
            #expect(try store.entries(in: .peers).isEmpty)
        }
    }

    @Test func `a later format is refused and left alone`() throws {
        try fill()
        do {
            let database = try Database.open(path: path)
            try database.execute("PRAGMA user_version=99")
        }
        #expect(throws: StoreError.newerVersion(path: path, found: 99, known: 1)) {
            try Store(directory: directory.path)
        }
        #expect(TestFile.read("\(path).corrupt-1") == nil)
    }

    @Test func `another program's database is kept aside`() throws {
        TestFile.write([], to: path)
        do {
            let database = try Database.open(path: path)
            try database.execute("CREATE TABLE foreign_things (a INTEGER)")
        }
        let store = try Store(directory: directory.path)
        #expect(
            store.opening
                == .recovered(keptAs: "\(path).corrupt-1", reason: "it is a database of another program"))
    }

    /// A database of some pages, closed again.
    private func fill() throws {
        let store = try Store(directory: directory.path)
        try store.save(
            (0..<64).map { index in
                StoreChange(.peers, [UInt8(index)], StoredValue(bytes: [UInt8](repeating: UInt8(index), count: 900)))
            })
    }
}
