/// What one document may cost before it is parsed.
package struct JSONLimits: Sendable {
    package var byteCount: Int
    package var depth: Int

    package init(byteCount: Int = 16 << 20, depth: Int = 64) {
        self.byteCount = byteCount
        self.depth = depth
    }
}

extension JSONValue {
    /// Parses one JSON text: UTF-8, nothing after the value but white space, no member name twice (RFC 8259 §4).
    package init(parsing text: [UInt8], limits: JSONLimits = JSONLimits()) throws(JSONError) {
        guard text.count <= limits.byteCount else {
            throw .tooLarge(byteCount: text.count, limit: limits.byteCount)
        }
        guard Self.depth(of: text) <= limits.depth else { throw .tooDeep(limit: limits.depth) }
        self = try JSONDocument(parsing: text).value
    }

    package init(parsing text: String, limits: JSONLimits = JSONLimits()) throws(JSONError) {
        try self.init(parsing: Array(text.utf8), limits: limits)
    }

    /// UTF-8 text on one line.
    package var text: [UInt8] { JSONDocument(self).text(indented: false) }

    /// UTF-8 text for people, indented by two spaces, without a line end.
    package var indentedText: [UInt8] { JSONDocument(self).text(indented: true) }

    /// The deepest nesting of brackets outside strings, found before the parser recurses over them.
    ///
    /// Where brackets do not match the count is off, but there the parser has already stopped.
    private static func depth(of text: [UInt8]) -> Int {
        var depth = 0
        var deepest = 0
        var insideString = false
        var escaped = false
        for byte in text {
            if escaped {
                escaped = false
                continue
            }
            switch byte {
            case UInt8(ascii: "\\"): escaped = insideString
            case UInt8(ascii: "\""): insideString.toggle()
            case UInt8(ascii: "["), UInt8(ascii: "{"):
                guard !insideString else { continue }
                depth += 1
                deepest = max(deepest, depth)
            case UInt8(ascii: "]"), UInt8(ascii: "}"):
                guard !insideString else { continue }
                depth -= 1
            default: break
            }
        }
        return deepest
    }
}
