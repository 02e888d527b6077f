import Testing

@Suite struct SourceTextTests {
    @Test func `comments and strings hold no words`() {
        let text = """
            one // two
            /* three /* four */ five */ six
            "seven \\" eight" nine #"ten"# eleven
            """
        #expect(words(of: text) == ["one", "six", "nine", "eleven"])
    }

    @Test func `a multi-line string ends at its own quotes`() {
        let quotes = "\"\"\""
        #expect(
            words(of: "before \(quotes)\n inside \"quoted\" \n\(quotes) after") == ["before", "after"])
    }

    @Test func `imports are found with their modifiers and lines`() {
        let source = SourceText(
            "import Wire\n\npackage import SansIO\nlet import_ = 1\n@testable import Noise")
        #expect(source.imports.map(\.module) == ["Wire", "SansIO", "Noise"])
        #expect(source.imports.map(\.line) == [1, 3, 5])
    }

    private func words(of text: String) -> [Substring] {
        SourceText(text).lines.flatMap(\.tokens)
    }
}
