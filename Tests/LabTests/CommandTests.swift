import Lab
import Testing

@Suite struct CommandTests {
    @Test func `output, errors and status come back apart`() throws {
        let result = try Command(["sh", "-c", "cat; echo oops >&2; exit 3"], input: "hello").result(within: .seconds(5))
        #expect(result.output == "hello")
        #expect(result.errors == "oops\n")
        #expect(result.status == 3)
    }

    @Test func `a failure says what was run and what it said`() {
        let error = #expect(throws: LabError.self) { try Command(["sh", "-c", "echo no >&2; exit 1"]).run() }
        #expect(error?.description == "'sh -c echo no >&2; exit 1' ended with status 1: no\n")
    }

    @Test func `a program that does not end is killed at its deadline`() {
        #expect(throws: LabError.self) { try Command(["sleep", "100"]).result(within: .milliseconds(50)) }
    }

    @Test func `a child that keeps the output open does not hold up the result`() throws {
        let result = try Command(["sh", "-c", "sleep 100 & echo $!"]).result(within: .seconds(5))
        let child = try #require(Int32(result.output.dropLast()))
        #expect(try Command(["kill", "\(child)"]).run() == "")
    }

    @Test func `more output than a pipe holds arrives whole`() throws {
        #expect(try Command(["head", "-c", "1000000", "/dev/zero"]).run().utf8.count == 1_000_000)
    }
}
