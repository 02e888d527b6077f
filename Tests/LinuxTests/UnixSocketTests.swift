import Glibc
import Linux
import Testing

struct UnixSocketTests {
    private func makePath() -> String {
        "/tmp/kubemesh-test-\(SystemRandom.bytes(8).map(String.init).joined())"
    }

    @Test func `a connection carries bytes both ways and tells who is there`() throws {
        let path = makePath()
        let listener = try UnixSocketListener(path: path)
        let tooEarly = try listener.accept()
        #expect(tooEarly == nil)
        let client = try UnixSocketConnection.connect(to: path)
        let server = try #require(try listener.accept())
        #expect(server.peer.user == getuid())
        #expect(server.peer.process == getpid())

        var bytes: [UInt8] = []
        #expect(try server.read(into: &bytes) == .wouldBlock)
        #expect(try client.write([1, 2, 3]) == .bytes(3))
        #expect(try server.read(into: &bytes) == .bytes(3))
        #expect(try server.write([4]) == .bytes(1))
        #expect(try client.read(into: &bytes) == .bytes(1))
        #expect(bytes == [1, 2, 3, 4])
    }

    @Test func `the end of a connection is told, not raised as a signal`() throws {
        let path = makePath()
        let listener = try UnixSocketListener(path: path)
        var client: UnixSocketConnection? = try UnixSocketConnection.connect(to: path)
        let server = try #require(try listener.accept())
        #expect(client != nil)
        client = nil
        var bytes: [UInt8] = []
        #expect(try server.read(into: &bytes) == .end)
        #expect(try server.write([1]) == .end)
    }

    @Test func `a socket in use is refused, a stale one is replaced, and its file goes with it`() throws {
        let path = makePath()
        close(unsafe open(path, O_CREAT | O_WRONLY, 0o600))
        #expect(throws: SystemError("listen at \(path)", code: EEXIST)) { try UnixSocketListener(path: path) }
        #expect(unsafe unlink(path) == 0)

        var first: UnixSocketListener? = try UnixSocketListener(path: path, mode: 0o600)
        var status = stat()
        #expect(unsafe lstat(path, &status) == 0)
        #expect(status.st_mode & 0o777 == 0o600)
        #expect(throws: SystemError("listen at \(path)", code: EADDRINUSE)) { try UnixSocketListener(path: path) }
        #expect(first?.path == path)
        first = nil
        #expect(unsafe access(path, F_OK) == -1)
    }

    @Test func `an error says what failed and why`() {
        let error = SystemError("bind 0.0.0.0:53", code: EADDRINUSE)
        #expect(error.description == "bind 0.0.0.0:53: Address already in use (EADDRINUSE)")
    }
}
