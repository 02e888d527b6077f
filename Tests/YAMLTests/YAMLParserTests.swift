import SansIO
import Testing

@testable import YAML

@Suite struct YAMLParserTests {
    @Test func `a document becomes a tree with positions`() throws {
        let root = try #require(try parse("a: 1\nb:\n  - \"2\"\n  - {c: }\n"))
        guard case .mapping(let entries) = root.content else {
            Issue.record("no mapping")
            return
        }
        #expect(entries.map(\.key.content) == [.scalar("a", isPlain: true), .scalar("b", isPlain: true)])
        #expect(entries[0].value.position == YAMLPosition(line: 1, column: 4))
        guard case .sequence(let items) = entries[1].value.content, items.count == 2 else {
            Issue.record("no sequence")
            return
        }
        #expect(items[0] == YAMLNode(content: .scalar("2", isPlain: false), position: YAMLPosition(line: 3, column: 5)))
        guard case .mapping(let inner) = items[1].content else {
            Issue.record("no inner mapping")
            return
        }
        #expect(inner[0].value.isNull)
    }

    @Test(arguments: ["", "\n\n", "# only a comment\n", "   "])
    func `a text of nothing is nothing`(_ text: String) throws {
        #expect(try parse(text) == nil)
    }

    @Test(arguments: [
        ("a: &x 1\nb: *x\n", 1, 4), ("a: 1\nb: *x\n", 2, 4), ("a: !!str 1\n", 1, 4), ("a: !m {b: 1}\n", 1, 4),
        ("a: 1\n---\nb: 2\n", 2, 1), ("a: [1, 2\nb: 3\n", 2, 2), ("a: 1\n\tb: 2\n", 2, 1), ("a: 'x\n", 2, 1),
    ])
    func `what is not read is refused where it stands`(_ text: String, _ line: Int, _ column: Int) {
        let error = #expect(throws: YAMLError.self) { try parse(text) }
        #expect(error?.position == YAMLPosition(line: line, column: column), "\(text): \(error?.reason ?? "")")
    }

    @Test func `a file may hold several documents`() throws {
        let roots = try YAMLParser.documents(in: Array("a: 1\n---\n# nothing\n---\n[b]\n...\n---\nc\n".utf8))
        #expect(roots.count == 4)
        #expect(roots[1].isNull)
        #expect(roots[2].position == YAMLPosition(line: 5, column: 1))
        #expect(roots[3].content == .scalar("c", isPlain: true))
        #expect(try YAMLParser.documents(in: []).isEmpty)
        let error = #expect(throws: YAMLError.self) { try YAMLParser.documents(in: Array("a: 1\n---\nb: *x\n".utf8)) }
        #expect(error?.position.line == 3)
        #expect(throws: YAMLError.self) { try YAMLParser.documents(in: [32, 32], sizeLimitBytes: 1) }
    }

    @Test func `bytes that are not UTF-8 are refused at their line`() {
        let error = #expect(throws: YAMLError.self) { try YAMLParser.parse(Array("a: 1\nb: ".utf8) + [0xff, 0xfe]) }
        #expect(error?.position.line == 2)
    }

    @Test func `depth and size are bounded`() {
        #expect(throws: YAMLError.self) { try parse(String(repeating: "[", count: 10_000)) }
        #expect(throws: YAMLError.self) {
            try YAMLParser.parse([UInt8](repeating: UInt8(ascii: "#"), count: YAMLParser.sizeLimitBytes + 1))
        }
    }

    @Test func `mutated documents never crash the reader`() {
        let sample = Array("a: 1\nb:\n  - 'x'\n  - {c: [1, 2], \"d\\n\": |\n    text\n  }\n? e\n: &f *g\n".utf8)
        for seed in 0..<2000 as Range<UInt64> {
            var random = SeededRandom(seed: seed)
            var bytes = sample
            for _ in 0...Int.random(in: 0..<4, using: &random) {
                let index = Int.random(in: 0..<bytes.count, using: &random)
                bytes[index] = UInt8.random(in: 0...255, using: &random)
            }
            _ = try? YAMLParser.parse(Array(bytes.prefix(Int.random(in: 0...bytes.count, using: &random))))
        }
    }

    private func parse(_ text: String) throws(YAMLError) -> YAMLNode? {
        try YAMLParser.parse(Array(text.utf8))
    }
}
