import Glibc
import Testing

@testable import Store

@Suite struct StoreTests {
    private let directory = TemporaryDirectory()

    @Test func `what was saved is there after the store is opened again`() throws {
        var store: Store? = try Store(directory: directory.path)
        #expect(store?.opening == .created)
        try store?.save([
            StoreChange(.peers, [2], StoredValue(number: 7, bytes: [1, 2, 3])),
            StoreChange(.peers, [1], StoredValue(number: UInt64(Int64.max), bytes: [])),
            StoreChange(.clients, [1], StoredValue(bytes: [9])),
        ])
        store = nil
        let again = try Store(directory: directory.path)
        #expect(again.opening == .existing)
        #expect(try again.entries(in: .peers).map(\.key) == [[1], [2]])
        #expect(try again.value(in: .peers, for: [2]) == StoredValue(number: 7, bytes: [1, 2, 3]))
        #expect(try again.value(in: .peers, for: [1]) == StoredValue(number: UInt64(Int64.max)))
        #expect(try again.value(in: .clients, for: [1]) == StoredValue(bytes: [9]))
        #expect(try again.value(in: .certificates, for: [1]) == nil)
    }

    @Test func `saving replaces and removing removes`() throws {
        let store = try Store(directory: directory.path)
        try store.save([StoreChange(.revocations, [1], StoredValue(bytes: [1]))])
        try store.save([StoreChange(.revocations, [1], StoredValue(bytes: [2]))])
        #expect(try store.entries(in: .revocations).map(\.value.bytes) == [[2]])
        try store.save([StoreChange(.revocations, [1], nil)])
        #expect(try store.entries(in: .revocations).isEmpty)
    }

    @Test func `a counter never shrinks`() throws {
        let store = try Store(directory: directory.path)
        #expect(try store.counter(.recordNumber) == 0)
        try store.raise(.recordNumber, to: 5)
        try store.raise(.recordNumber, to: 3)
        #expect(try store.counter(.recordNumber) == 5)
        #expect(try store.counter(.handshakeTimestamp) == 0)
    }

    @Test func `an erased secret leaves no trace on disk`() throws {
        let secret = (0..<32).map { UInt8(0xa0 ^ $0 &* 7) }
        var store: Store? = try Store(directory: directory.path)
        try store?.save(secrets: [.tunnelKey: secret, .signingKey: [1]])
        #expect(try store?.secret(.tunnelKey) == secret)
        store = nil
        let path = "\(directory.path)/state.db"
        #expect(try #require(TestFile.read(path)).contains(secret))
        store = try Store(directory: directory.path)
        try store?.save(secrets: [.tunnelKey: nil])
        #expect(try store?.secret(.tunnelKey) == nil)
        #expect(try store?.secret(.signingKey) == [1])
        store = nil
        #expect(try #require(TestFile.read(path)).contains(secret) == false)
        #expect(TestFile.read(path + "-wal") == nil)
    }

    @Test func `a second process is kept out while the first lives`() async throws {
        var store: Store? = try Store(directory: directory.path)
        await #expect(processExitsWith: .exitCode(9)) { [path = directory.path as String] in
            StoreTests.open(path)
        }
        #expect(throws: StoreError.inUse(path: directory.path + "/state.db")) { try Store(directory: directory.path) }
        store = nil
        await #expect(processExitsWith: .exitCode(0)) { [path = directory.path as String] in
            StoreTests.open(path)
        }
        #expect(store == nil)
    }

    /// Runs in a process of its own; exits with 9 when the store is in use.
    private static func open(_ directory: String) {
        do {
            _ = try Store(directory: directory)
            exit(0)
        } catch StoreError.inUse {
            exit(9)
        } catch {
            exit(1)
        }
    }

    @Test func `a directory whose parent is missing is named`() {
        let path = "\(directory.path)/none/state"
        #expect(throws: StoreError.failed(path: path, operation: "create", reason: "No such file or directory")) {
            try Store(directory: path)
        }
    }
}

extension [UInt8] {
    /// Whether `other` occurs in a row.
    func contains(_ other: [UInt8]) -> Bool {
        guard count >= other.count else { return false }
        return (0...(count - other.count)).contains {
            self[$0] == other[0] && Array(self[$0..<($0 + other.count)]) == other
        }
    }
}
