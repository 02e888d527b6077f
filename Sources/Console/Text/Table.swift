/// Rows of cells in aligned columns, two spaces apart.
struct Table {
    struct Cell: ExpressibleByStringLiteral {
        var text: String
        var look: Style.Look

        init(_ text: String, _ look: Style.Look = .plain) {
            self.text = text
            self.look = look
        }

        init(stringLiteral value: String) { self.init(value) }
    }

    struct Column {
        var title: String
        var isNumeric = false

        init(_ title: String, isNumeric: Bool = false) {
            self.title = title
            self.isNumeric = isNumeric
        }
    }

    var columns: [Column]
    var rows: [[Cell]] = []

    /// Every line ends without trailing spaces.
    func lines(_ style: Style) -> [String] {
        let heads = columns.map { Cell($0.title, .bold) }
        let all = [heads] + rows
        let widths = columns.indices.map { column in all.map { $0[column].text.count }.max() ?? 0 }
        return all.map { row in
            var line = ""
            var pendingSpaces = 0
            for (column, cell) in row.enumerated() {
                let padding = widths[column] - cell.text.count
                let isNumeric = columns[column].isNumeric
                pendingSpaces += isNumeric ? padding : 0
                if !cell.text.isEmpty {
                    line += String(repeating: " ", count: pendingSpaces) + style(cell.look, cell.text)
                    pendingSpaces = 0
                }
                pendingSpaces += (isNumeric ? 0 : padding) + 2
            }
            return line
        }
    }
}
