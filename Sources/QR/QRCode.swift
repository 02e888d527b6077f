import CQREncode

/// A QR code (ISO/IEC 18004) of some text, at error correction level L: a configuration fills much of a screen as it is.
package struct QRCode: Equatable, Sendable {
    /// The text is longer than the largest code holds (2,953 bytes).
    package struct TooLong: Error, Equatable, Sendable {
        package let byteCount: Int
    }

    /// Modules a side, without the quiet zone.
    package let size: Int
    private let modules: [Bool]

    /// Light modules that must surround a code, at least (ISO/IEC 18004 §6.3.8).
    package static let quietZone = 4

    package init(_ text: String) throws(TooLong) {
        let bytes = Array(text.utf8)
        let code = unsafe QRcode_encodeData(Int32(bytes.count), bytes, 0, QR_ECLEVEL_L)
        guard let code = unsafe code else { throw TooLong(byteCount: bytes.count) }
        defer { unsafe QRcode_free(code) }
        let size = Int(unsafe code.pointee.width)
        self.size = size
        // The lowest bit of each byte is the module's colour.
        modules = unsafe UnsafeBufferPointer(start: code.pointee.data, count: size * size).map { $0 & 1 == 1 }
    }

    /// Whether the module is dark; places outside the code are its quiet zone.
    package func isDark(row: Int, column: Int) -> Bool {
        let inside = 0..<size
        return inside.contains(row) && inside.contains(column) && modules[row * size + column]
    }

    /// Lines of half blocks, two modules each, for a terminal. Light modules are drawn, so that a dark background shows
    /// the code as it is printed on paper; `isInverted` draws the dark ones, for a light background.
    package func lines(isInverted: Bool = false) -> [String] {
        let rows = stride(from: -Self.quietZone, to: size + Self.quietZone, by: 2)
        let columns = -Self.quietZone..<(size + Self.quietZone)
        return rows.map { row in
            columns.map { column in
                let upper = isDark(row: row, column: column) == isInverted
                // An odd number of rows leaves the lower half of the last line outside the quiet zone.
                let lower =
                    row + 1 < size + Self.quietZone && isDark(row: row + 1, column: column) == isInverted
                return switch (upper, lower) {
                case (true, true): "█"
                case (true, false): "▀"
                case (false, true): "▄"
                case (false, false): " "
                }
            }.joined()
        }
    }
}
