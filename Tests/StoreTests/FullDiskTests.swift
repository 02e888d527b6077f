import Glibc
import Testing

@testable import Store

/// A tmpfs of one megabyte stands for a full disk.
@Suite(.enabled(if: geteuid() == 0, "mounting a tmpfs needs root"))
struct FullDiskTests {
    private final class SmallDisk {
        let directory = TemporaryDirectory()
        let isMounted: Bool
        var filler: String { "\(directory.path)/filler" }

        init() {
            isMounted = unsafe mount("tmpfs", directory.path, "tmpfs", 0, "size=1m,mode=0700") == 0
        }

        deinit {
            if isMounted { unsafe umount2(directory.path, Int32(MNT_DETACH)) }
        }

        func fill() { TestFile.write([UInt8](repeating: 0, count: 2 << 20), to: filler) }
        func makeRoom() { unsafe unlink(filler) }
    }

    @Test func `a full disk is told and the state in memory goes on`() throws {
        let disk = SmallDisk()
        try #require(disk.isMounted, "this container may not mount a tmpfs")
        var store: Store? = try Store(directory: disk.directory.path)
        try store?.save([StoreChange(.peers, [0], StoredValue(number: 1))])
        disk.fill()
        let large = [UInt8](repeating: 7, count: 60_000)
        let path = try #require(store?.path)
        #expect(throws: StoreError.diskFull(path: path)) {
            for index in 1...40 { try store?.save([StoreChange(.peers, [UInt8(index)], StoredValue(bytes: large))]) }
        }
        let refused = try #require(store?.unsavedCount)
        #expect(refused == 1)
        try? store?.save([StoreChange(.peers, [0], nil)])
        try? store?.save([StoreChange(.peers, [200], StoredValue(bytes: large))])
        #expect(store?.unsavedCount == 3)
        #expect(try store?.value(in: .peers, for: [0]) == nil)
        #expect(try store?.value(in: .peers, for: [200]) == StoredValue(bytes: large))
        let inMemory = try #require(store).entries(in: .peers).map(\.key)
        #expect(inMemory.first == [1])
        #expect(inMemory.last == [200])

        disk.makeRoom()
        try store?.saveUnsaved()
        #expect(store?.unsavedCount == 0)
        store = nil
        let again = try Store(directory: disk.directory.path)
        #expect(again.opening == .existing)
        #expect(try again.entries(in: .peers).map(\.key) == inMemory)
    }

    @Test func `what was saved before the disk filled is readable at the next start`() throws {
        let disk = SmallDisk()
        try #require(disk.isMounted, "this container may not mount a tmpfs")
        var store: Store? = try Store(directory: disk.directory.path)
        try store?.save(secrets: [.tunnelKey: [1, 2, 3]])
        store = nil
        disk.fill()
        store = try Store(directory: disk.directory.path)
        #expect(store?.opening == .existing)
        #expect(try store?.secret(.tunnelKey) == [1, 2, 3])
    }

    @Test func `a first start on a full disk says so`() throws {
        let disk = SmallDisk()
        try #require(disk.isMounted, "this container may not mount a tmpfs")
        disk.fill()
        let path = "\(disk.directory.path)/state.db"
        #expect(throws: StoreError.diskFull(path: path)) { try Store(directory: disk.directory.path) }
        disk.makeRoom()
        #expect(try Store(directory: disk.directory.path).entries(in: .peers).isEmpty)
    }
}
