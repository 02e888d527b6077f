import Glibc
import Testing

@testable import Console

@Suite struct SubprocessTests {
    @Test func `a program's output and exit code are returned`() throws {
        let result = try Subprocess.run(["sh", "-c", "echo out; echo err >&2; exit 7"])
        #expect(result.exitCode == 7)
        #expect(result.output == "out\nerr\n")
        #expect(try Subprocess.run(["sh", "-c", "kill -9 $$"]).exitCode == 128 + 9)
    }

    @Test func `a program that does not exist is a failure that names it`() {
        #expect {
            try Subprocess.run(["no-such-program-anywhere"])
        } throws: {
            "\($0)".contains("no-such-program-anywhere")
        }
    }

    @Test func `nothing but PATH and three descriptors is inherited`() throws {
        let leaked = fcntl(STDERR_FILENO, F_DUPFD, 57)
        defer { close(leaked) }
        let shell = """
            for d in 0 1 2 \(leaked); do [ ! -e /proc/$$/fd/$d ] || echo $d; done
            env | grep -v -e ^PATH= -e ^PWD= -e ^_= -e ^SHLVL=
            """
        #expect(try Subprocess.run(["sh", "-c", shell]).output == "0\n1\n2\n")
    }

    @Test func `a program that says very much is drained and cut`() throws {
        let result = try Subprocess.run(["sh", "-c", "head -c 1000000 /dev/zero | tr '\\0' x"])
        #expect(result.exitCode == 0)
        #expect((60_000...70_000).contains(result.output.utf8.count))
    }
}
