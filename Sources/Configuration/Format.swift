import Wire
import YAML

/// How values of one type stand in the file: what is expected, how it is read, and how it is written.
struct Format<Value: Equatable & Sendable>: Sendable {
    /// Completes "expected …".
    var expected: String
    /// Reports what is wrong and returns `nil`, or returns the value.
    var read: @Sendable (YAMLNode, _ key: String, inout FieldReader) -> Value?
    /// The value on one line, in YAML's flow style.
    var text: @Sendable (Value) -> String

    /// A scalar. `parse` gets the text and whether it stood without quotes.
    init(
        _ expected: String, text: @escaping @Sendable (Value) -> String,
        parse: @escaping @Sendable (String, _ isPlain: Bool) -> Value?
    ) {
        self.expected = expected
        self.text = text
        read = { node, key, reader in
            if case .scalar(let text, let isPlain) = node.content, !node.isNull, let value = parse(text, isPlain) {
                return value
            }
            reader.report(node, key, "expected \(expected), found \(node.found)")
            return nil
        }
    }

    init(
        _ expected: String, text: @escaping @Sendable (Value) -> String,
        read: @escaping @Sendable (YAMLNode, _ key: String, inout FieldReader) -> Value?
    ) {
        self.expected = expected
        self.text = text
        self.read = read
    }
}

extension Format where Value: FixedWidthInteger {
    static func integer(_ range: ClosedRange<Value>) -> Format {
        Format("a whole number from \(range.lowerBound) to \(range.upperBound)", text: \.description) { text, isPlain in
            guard isPlain, let value = Value(decimal: text), range.contains(value) else { return nil }
            return value
        }
    }
}

extension Format where Value: CaseIterable & RawRepresentable<String> {
    static var choice: Format {
        Format(
            Value.allCases.map(\.rawValue).joined(separator: " or "), text: { $0.rawValue },
            parse: { text, _ in Value(rawValue: text) })
    }
}

extension Format where Value: LosslessStringConvertible {
    /// A value whose text form is its own.
    static func parsed(
        _ expected: String, where isAllowed: @escaping @Sendable (Value) -> Bool = { _ in true }
    ) -> Format {
        Format(expected, text: \.description) { text, _ in
            guard let value = Value(text), isAllowed(value) else { return nil }
            return value
        }
    }
}

extension Format where Value == Bool {
    static var boolean: Format {
        Format("true or false", text: \.description) { text, isPlain in isPlain ? Bool(text) : nil }
    }
}

extension Format where Value == String {
    /// What Linux takes for the name of a network interface (IFNAMSIZ): no slash, colon, white space, or dots alone.
    static var interfaceName: Format {
        Format("an interface name of 1 to 15 letters, digits, '-', '_' and '.'", text: \.description) { text, _ in
            let isFit = text.utf8.allSatisfy { $0.isASCIIWord || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".") }
            return (1...15).contains(text.utf8.count) && isFit && text != "." && text != ".." ? text : nil
        }
    }

    /// A path that fits `limit` bytes; 107 is what a socket address holds (unix(7)).
    static func absolutePath(limit: Int = 4095) -> Format {
        Format("an absolute path of at most \(limit) bytes", text: \.description) { text, _ in
            let isFit = text.utf8.allSatisfy { $0 >= UInt8(ascii: " ") && $0 != UInt8(ascii: "\"") }
            return text.hasPrefix("/") && text.utf8.count <= limit && isFit ? text : nil
        }
    }

    static var groupName: Format {
        Format("the name of a group", text: \.description) { text, _ in
            let isFit = text.utf8.allSatisfy { $0.isASCIIWord || $0 == UInt8(ascii: "-") }
            return (1...32).contains(text.utf8.count) && isFit ? text : nil
        }
    }
}

extension Format where Value == Duration {
    private static var units: [(suffix: String, seconds: Int)] { [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)] }

    /// A whole number of seconds, minutes, hours or days.
    static func duration(_ range: ClosedRange<Duration>) -> Format {
        Format(
            "a time from \(write(range.lowerBound)) to \(write(range.upperBound)), as 30s, 5m, 12h or 90d", text: write
        ) {
            text, _ in
            guard let unit = units.first(where: { text.hasSuffix($0.suffix) }),
                let count = Int(decimal: text.dropLast()), count <= Int(Int32.max)
            else { return nil }
            let value = Duration.seconds(count * unit.seconds)
            return range.contains(value) ? value : nil
        }
    }

    private static func write(_ duration: Duration) -> String {
        let seconds = Int(duration.components.seconds)
        let unit = units.last { seconds.isMultiple(of: $0.seconds) && seconds >= $0.seconds } ?? units[0]
        return "\(seconds / unit.seconds)\(unit.suffix)"
    }
}

extension Format where Value == Configuration.RateLimit {
    private static var units: [(suffix: String, bits: Int)] {
        [("kbit/s", 1000), ("Mbit/s", 1_000_000), ("Gbit/s", 1_000_000_000)]
    }

    /// A whole number of kbit/s, Mbit/s or Gbit/s, or no limit.
    static var rate: Format {
        Format("unlimited or a rate from 64kbit/s to 100Gbit/s, as 500kbit/s, 20Mbit/s or 1Gbit/s", text: write) {
            text, _ in
            if text == "unlimited" { return .unlimited }
            guard let unit = units.first(where: { text.hasSuffix($0.suffix) }),
                let count = Int(decimal: text.dropLast(unit.suffix.count)), count <= Int(Int32.max),
                (64_000...100_000_000_000).contains(count * unit.bits)
            else { return nil }
            return .bitsPerSecond(count * unit.bits)
        }
    }

    private static func write(_ limit: Configuration.RateLimit) -> String {
        guard case .bitsPerSecond(let bits) = limit else { return "unlimited" }
        let unit = units.last { bits.isMultiple(of: $0.bits) && bits >= $0.bits } ?? units[0]
        return "\(bits / unit.bits)\(unit.suffix)"
    }
}

extension FixedWidthInteger {
    /// Digits only: no sign, no separators, no other base.
    init?(decimal text: some StringProtocol) {
        guard text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else { return nil }
        self.init(text, radix: 10)
    }
}

extension UInt8 {
    /// A letter, a digit or an underscore.
    fileprivate var isASCIIWord: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
            true
        default: false
        }
    }
}
