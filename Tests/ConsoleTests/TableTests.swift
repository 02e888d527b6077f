import Testing

@testable import Console

@Suite struct TableTests {
    private var table: Table {
        Table(
            columns: [.init("NAME"), .init("RTT", isNumeric: true), .init("PREFIX")],
            rows: [
                [.init("a", .good), "1.20 ms", "10.0.0.0/24"], ["long-name", "-", ""], ["", "100 ms", "x"],
            ])
    }

    @Test func `columns are aligned and lines have no trailing spaces`() {
        #expect(
            table.lines(Style(hasColor: false)) == [
                "NAME           RTT  PREFIX",
                "a          1.20 ms  10.0.0.0/24",
                "long-name        -",
                "            100 ms  x",
            ])
    }

    @Test func `colour does not move the columns`() {
        let colored = table.lines(Style(hasColor: true))
        let bare = colored.map { line in line.replacing(#/\u{1b}\[[0-9]+m/#, with: "") }
        #expect(bare == table.lines(Style(hasColor: false)))
        #expect(colored[1].hasPrefix("\u{1b}[32ma\u{1b}[0m  "))
    }

    @Test func `what would steer the terminal is not printed`() {
        let style = Style(hasColor: false)
        #expect(style(.plain, "a\u{1b}[2Jb\u{9b}c\r\nd\u{202e}e") == "a?[2Jb?c??d?e")
        #expect(style(.bold, "größe 😀") == "größe 😀")
        #expect(Style(hasColor: true)(.bad, "") == "")
    }
}
