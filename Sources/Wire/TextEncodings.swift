extension [UInt8] {
    /// Lower-case hexadecimal, two digits a byte.
    package var hexadecimal: String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        text.reserveCapacity(2 * count)
        for byte in self {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// `nil` unless `hexadecimal` is an even number of hexadecimal digits.
    package init?(hexadecimal: some StringProtocol) {
        var digits: [UInt8] = []
        for character in hexadecimal.utf8 {
            switch character {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digits.append(character - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digits.append(character - UInt8(ascii: "a") + 10)
            case UInt8(ascii: "A")...UInt8(ascii: "F"): digits.append(character - UInt8(ascii: "A") + 10)
            default: return nil
            }
        }
        guard digits.count.isMultiple(of: 2) else { return nil }
        self = stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }

    /// RFC 4648 §4, with padding: the form of WireGuard's keys.
    package var base64: String { base64(Base64Alphabet.standard, padded: true) }

    /// RFC 4648 §5, URL-safe and without padding: the form of join tokens.
    package var base64URL: String { base64(Base64Alphabet.urlSafe, padded: false) }

    /// Strict: padding required, unused bits zero.
    package init?(base64 text: some StringProtocol) {
        let characters = Array(text.utf8)
        guard characters.count.isMultiple(of: 4) else { return nil }
        let padding = characters.suffix(2).filter { $0 == UInt8(ascii: "=") }.count
        self.init(characters.dropLast(padding), alphabet: Base64Alphabet.standard)
        guard base64.utf8.elementsEqual(characters) else { return nil }
    }

    /// Strict: no padding, unused bits zero.
    package init?(base64URL text: some StringProtocol) {
        let characters = Array(text.utf8)
        self.init(characters[...], alphabet: Base64Alphabet.urlSafe)
        guard base64URL.utf8.elementsEqual(characters) else { return nil }
    }

    private init?(_ characters: ArraySlice<UInt8>, alphabet: [UInt8]) {
        self = []
        var bits: UInt32 = 0
        var bitCount: UInt32 = 0
        for character in characters {
            guard let value = alphabet.firstIndex(of: character) else { return nil }
            bits = bits << 6 | UInt32(value)
            bitCount += 6
            if bitCount >= 8 {
                bitCount -= 8
                append(UInt8(truncatingIfNeeded: bits >> bitCount))
            }
        }
    }

    private func base64(_ alphabet: [UInt8], padded: Bool) -> String {
        var text: [UInt8] = []
        text.reserveCapacity((count + 2) / 3 * 4)
        for start in stride(from: 0, to: count, by: 3) {
            let group = self[start..<Swift.min(start + 3, count)]
            let bits = group.reduce(UInt32(0)) { $0 << 8 | UInt32($1) } << (8 * UInt32(3 - group.count))
            for index in 0...group.count {
                text.append(alphabet[Int(bits >> (18 - 6 * UInt32(index)) & 63)])
            }
            if padded { text.append(contentsOf: repeatElement(UInt8(ascii: "="), count: 3 - group.count)) }
        }
        return String(decoding: text, as: UTF8.self)
    }
}

private enum Base64Alphabet {
    private static let common = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    static let standard = Array((common + "+/").utf8)
    static let urlSafe = Array((common + "-_").utf8)
}
