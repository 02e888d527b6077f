import Wire

/// Reads the small XML documents of UPnP, front to back: elements and text, names without their namespace prefix, attributes
/// passed over. Document types are refused, so nothing expands.
struct XMLReader {
    enum Token: Equatable {
        case start(String)
        case text(String)
        case end(String)
    }

    private static let depthLimit = 32
    private static let nameLimitBytes = 128

    private let bytes: [UInt8]
    private var position = 0
    private var open: [String] = []
    /// The end of an element without content, which is told after its start.
    private var pendingEnd: String?

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// `nil` at the end of the document.
    mutating func next() throws(WireError) -> Token? {
        if let name = pendingEnd {
            pendingEnd = nil
            return .end(name)
        }
        while position < bytes.count {
            guard bytes[position] == UInt8(ascii: "<") else { return .text(readText()) }
            if starts(with: "<?") {
                try skip(past: "?>")
            } else if starts(with: "<!--") {
                try skip(past: "-->")
            } else if starts(with: "<![CDATA[") {
                let start = position + 9
                try skip(past: "]]>")
                return .text(String(decoding: bytes[start..<(position - 3)], as: UTF8.self))
            } else if starts(with: "<!") {
                throw .invalidField("document type")
            } else {
                return try readTag()
            }
        }
        guard open.isEmpty else { throw .truncated }
        return nil
    }

    private mutating func readTag() throws(WireError) -> Token {
        let start = position + 1
        guard let end = bytes[start...].firstIndex(of: UInt8(ascii: ">")) else { throw .truncated }
        position = end + 1
        let content = bytes[start..<end]
        let isEnd = content.first == UInt8(ascii: "/")
        let raw = (isEnd ? content.dropFirst() : content).prefix { !Self.endsName($0) }
        let name = String(decoding: raw.split(separator: UInt8(ascii: ":")).last ?? [], as: UTF8.self)
        guard !name.isEmpty, raw.count <= Self.nameLimitBytes else { throw .invalidField("element") }
        if isEnd {
            guard open.popLast() == name else { throw .invalidField("nesting") }
            return .end(name)
        }
        if content.last == UInt8(ascii: "/") {
            pendingEnd = name
            return .start(name)
        }
        guard open.count < Self.depthLimit else { throw .invalidField("depth") }
        open.append(name)
        return .start(name)
    }

    private mutating func readText() -> String {
        let end = bytes[position...].firstIndex(of: UInt8(ascii: "<")) ?? bytes.count
        defer { position = end }
        return Self.unescaped(bytes[position..<end])
    }

    private func starts(with mark: StaticString) -> Bool {
        let text = mark.description.utf8
        return position + text.count <= bytes.count && zip(text, bytes[position...]).allSatisfy { $0 == $1 }
    }

    private mutating func skip(past mark: StaticString) throws(WireError) {
        while !starts(with: mark) {
            guard position < bytes.count else { throw .truncated }
            position += 1
        }
        position += mark.utf8CodeUnitCount
    }

    private static func endsName(_ byte: UInt8) -> Bool {
        byte <= 0x20 || byte == UInt8(ascii: "/")
    }

    /// Replaces the five named entities; others stay as they stand.
    private static func unescaped(_ text: ArraySlice<UInt8>) -> String {
        let text = String(decoding: text, as: UTF8.self)
        guard text.contains("&") else { return text }
        var result = ""
        var rest = text[...]
        while let mark = rest.firstIndex(of: "&") {
            result += rest[..<mark]
            rest = rest[mark...]
            if let (entity, character) = entities.first(where: { rest.hasPrefix($0.0) }) {
                result.append(character)
                rest = rest.dropFirst(entity.count)
            } else {
                result.append("&")
                rest = rest.dropFirst()
            }
        }
        return result + rest
    }

    private static let entities: [(String, Character)] = [
        ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"),
    ]
}
