import Glibc
import Linux

@testable import Console

/// A directory for one test with meshctl in it, so that it finds whatever stands beside it as `meshd`.
final class Workspace: Sendable {
    struct Outcome {
        var exitCode: Int32
        var output: String
        var errors: String
    }

    let path: String
    var socket: String { "\(path)/meshd.sock" }

    init() throws {
        var template = Array("/tmp/kubemesh-ctl-XXXXXX".utf8CString)
        guard unsafe mkdtemp(&template) != nil else { throw SystemError("mkdtemp", code: errno) }
        path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        // The other user of a test has to get in.
        _ = unsafe chmod(path, 0o755)
        let copy = try Subprocess.run(["cp", "\(Self.binaries)/meshctl", "\(path)/meshctl"])
        guard copy.exitCode == 0 else { throw SystemError(copy.output, code: ENOENT) }
    }

    deinit { _ = try? Subprocess.run(["rm", "-rf", path]) }

    /// Where the build has put its programs: beside the tests.
    private static var binaries: String {
        if let path = unsafe getenv("KUBEMESH_BIN") { return unsafe String(cString: path) }
        let own = HostFile.target(ofLink: "/proc/self/exe") ?? ""
        // The test runner is a program of the toolchain; what it was given to run stands in its command line.
        let words = (try? HostFile.contents(of: "/proc/self/cmdline"))?.split(separator: 0) ?? []
        let paths = words.map { String(decoding: $0, as: UTF8.self) } + [own]
        let bundle = paths.first { $0.hasSuffix(".xctest") } ?? own
        return String(bundle[..<(bundle.lastIndex(of: "/") ?? bundle.endIndex)])
    }

    /// Runs meshctl against the test's socket.
    ///
    /// - Parameter prefix: words of shell before the command, such as variables or another user.
    func meshctl(_ arguments: String, prefix: String = "") throws -> Outcome {
        let command = "cd \(path); export KUBEMESH_SOCKET=\(socket); \(prefix) ./meshctl \(arguments) >out 2>err"
        let result = try Subprocess.run(["sh", "-c", command])
        return Outcome(
            exitCode: result.exitCode, output: read("out"), errors: read("err"))
    }

    func read(_ name: String) -> String {
        String(decoding: (try? HostFile.contents(of: "\(path)/\(name)")) ?? [], as: UTF8.self)
    }

    func write(_ text: String, to name: String, mode: mode_t = 0o644) throws {
        let number = unsafe open("\(path)/\(name)", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)
        guard number >= 0 else { throw SystemError("open \(name)", code: errno) }
        let file = FileDescriptor(owning: number)
        Output.write(Array(text.utf8), to: file.number)
    }

    func exists(_ name: String) -> Bool { unsafe access("\(path)/\(name)", F_OK) == 0 }

    func mode(of name: String) -> mode_t {
        var status = stat()
        return unsafe stat("\(path)/\(name)", &status) == 0 ? status.st_mode & 0o777 : 0
    }
}
