import Testing

/// The rules themselves: each must be able to object.
@Suite struct RulesTests {
    @Test(arguments: [
        "import Glibc", "let started = ContinuousClock().now", "send(at: .now)", "Task { await run() }",
        "let lock = Mutex(0)", "let roll = Int.random(in: 0...5)", "peers.shuffled()",
    ])
    func `an impure line in a pure target is found`(line: String) {
        #expect(Rules.impurities(in: SourceText("// a file\n" + line)).count == 1)
    }

    @Test(arguments: [
        "/// Never starts a Task.", #"throw Failure("no Glibc here")"#, "let now = input.now",
        "struct TaskList {}",
        "Int.random(in: 0...5, using: &random)", "peers.shuffled(\n    using: &random\n)",
        "let random = 4",
    ])
    func `a pure line is left alone`(line: String) {
        #expect(Rules.impurities(in: SourceText(line)) == [])
    }

    @Test func `a word is excused only where the exception names it`() {
        let source = SourceText("let lock = Mutex(0)\nlet clock = ContinuousClock()")
        #expect(Rules.impurities(in: source, except: ["Mutex"]) == ["2: ContinuousClock reads a clock"])
    }

    @Test(arguments: ["public struct Peer {}", "let key = try! Key()", "fatalError()"])
    func `a blemish is found`(line: String) {
        #expect(Rules.blemishes(in: SourceText(line)).count == 1)
    }

    @Test(arguments: [
        "var public: Endpoint", "try socket.open()", "/* try! */ try? close() // fatalError",
    ])
    func `a clean line is left alone`(line: String) {
        #expect(Rules.blemishes(in: SourceText(line)) == [])
    }
}
