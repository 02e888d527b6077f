import Glibc
import Testing

@testable import Store

@Suite struct StateFileTests {
    private let parent = TemporaryDirectory()
    private var directory: String { "\(parent.path)/kubemesh" }
    private var path: String { "\(directory)/state.db" }

    @Test func `directory and file are made for their owner alone`() throws {
        let store = try Store(directory: directory)
        try store.raise(.recordNumber, to: 1)
        #expect(store.narrowedPaths.isEmpty)
        #expect(TestFile.mode(directory) == 0o700)
        #expect(TestFile.mode(path) == 0o600)
        #expect(TestFile.mode(path + "-wal") == 0o600)
    }

    @Test func `rights that are too wide are taken away and told`() throws {
        unsafe mkdir(directory, 0o755)
        unsafe chmod(directory, 0o755)
        TestFile.write([], to: path)
        unsafe chmod(path, 0o644)
        let store = try Store(directory: directory)
        #expect(store.narrowedPaths == [directory, path])
        #expect(TestFile.mode(directory) == 0o700)
        #expect(TestFile.mode(path) == 0o600)
    }

    @Test func `a symbolic link is not followed`() throws {
        unsafe mkdir(directory, 0o700)
        TestFile.write([1, 2, 3], to: "\(parent.path)/elsewhere")
        unsafe symlink("\(parent.path)/elsewhere", path)
        #expect(throws: StoreError.self) { try Store(directory: directory) }
        #expect(TestFile.read("\(parent.path)/elsewhere") == [1, 2, 3])
    }

    @Test func `a directory in the file's place is refused`() {
        unsafe mkdir(directory, 0o700)
        unsafe mkdir(path, 0o700)
        #expect(throws: StoreError.self) { try Store(directory: directory) }
    }

    @Test(.enabled(if: geteuid() == 0, "changing users needs root"))
    func `a file of another user is refused`() async {
        let made = directory
        unsafe mkdir(made, 0o700)
        TestFile.write([], to: path)
        unsafe chown(made, 65534, 65534)
        await #expect(processExitsWith: .success) { [parent = parent.path as String] in
            guard unsafe chmod(parent, 0o711) == 0, seteuid(65534) == 0 else { exit(2) }
            do {
                _ = try Store(directory: "\(parent)/kubemesh")
                exit(3)
            } catch StoreError.notPermitted {
                exit(0)
            } catch {
                exit(4)
            }
        }
    }

    @Test(.enabled(if: geteuid() == 0, "giving files away needs root"))
    func `root gives a new file to the directory's owner`() throws {
        unsafe mkdir(directory, 0o700)
        unsafe chown(directory, 65534, 65534)
        let store = try Store(directory: directory)
        try store.raise(.recordNumber, to: 1)
        for file in [path, path + "-wal"] {
            var status = stat()
            #expect(unsafe stat(file, &status) == 0)
            #expect(status.st_uid == 65534)
        }
    }
}
