import JSON
import SansIO
import Testing

@Suite struct JSONValueTests {
    static let sample: JSONValue = [
        "name": "gw-\"1\"\n é\u{0}😀", "ready": true, "nothing": .null, "count": -7, "rtt": .number(12.345),
        "list": [1, .number(0.5), [], [:]], "nested": ["a": ["b": ["c": "d"]]],
    ]

    @Test func `a value survives being written and read, in its order`() throws {
        let read = try JSONValue(parsing: Self.sample.text)
        #expect(read == Self.sample)
        #expect(try JSONValue(parsing: Self.sample.indentedText) == Self.sample)
        guard case .object(let object) = read else { return #expect(Bool(false), "not an object") }
        #expect(object.members.map(\.name) == ["name", "ready", "nothing", "count", "rtt", "list", "nested"])
    }

    @Test func `fractions are written as people write them`() {
        #expect(String(decoding: JSONValue.number(12.345).text, as: UTF8.self) == "12.345")
        #expect(String(decoding: JSONValue.number(.nan).text, as: UTF8.self) == "null")
    }

    @Test(arguments: [Int64.min, -1, 0, .max])
    func `integers keep all their 64 bits`(_ integer: Int64) throws {
        #expect(try JSONValue(parsing: JSONValue.integer(integer).text) == .integer(integer))
    }

    @Test(arguments: [
        "", " ", "{", "[1,]", "{\"a\":1,\"a\":2}", "nul", "1 2", "\"\u{1}\"", "\"\\ud800\"", "{\"a\\u0000b\":1}", "01",
        "99999999999999999999", "1e999", "'a'", "[1] x", "NaN",
    ])
    func `text that is not JSON is refused with its place`(_ text: String) {
        #expect {
            try JSONValue(parsing: text)
        } throws: { error in
            guard case .malformed(let line, let column, let reason) = error as? JSONError else { return false }
            return line >= 1 && column >= 1 && !reason.isEmpty
        }
    }

    @Test func `bytes that are not UTF-8 are refused`() {
        #expect(throws: JSONError.self) { try JSONValue(parsing: [0x22, 0xff, 0xfe, 0x22]) }
        #expect(throws: JSONError.self) { try JSONValue(parsing: [0x22, 0xc0, 0x80, 0x22]) }
    }

    @Test func `every truncation of an object is refused`() {
        let text = Self.sample.text
        for count in 0..<text.count {
            #expect(throws: JSONError.self, "cut at \(count)") { try JSONValue(parsing: Array(text.prefix(count))) }
        }
    }

    @Test func `mutated text is refused or is read as something that survives again`() throws {
        let text = Self.sample.text
        var random = SeededRandom(seed: 0x6a73)
        var refused = 0
        for _ in 0..<20_000 {
            var mutated = text
            for _ in 0...Int.random(in: 0..<3, using: &random) {
                mutated[Int.random(in: 0..<text.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            do {
                let value = try JSONValue(parsing: mutated)
                let again = try JSONValue(parsing: value.text)
                let third = try JSONValue(parsing: again.text)
                #expect(again == third)
            } catch {
                refused += 1
            }
        }
        #expect(refused > 10_000)
    }

    @Test func `nesting is limited before the parser sees it`() throws {
        let limits = JSONLimits(depth: 64)
        let bomb = [UInt8](repeating: UInt8(ascii: "["), count: 1_000_000)
        #expect(throws: JSONError.tooDeep(limit: 64)) { try JSONValue(parsing: bomb, limits: limits) }
        func nested(_ depth: Int) -> String {
            String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        }
        _ = try JSONValue(parsing: nested(64), limits: limits)
        #expect(throws: JSONError.tooDeep(limit: 64)) { try JSONValue(parsing: nested(65), limits: limits) }
    }

    @Test func `brackets inside strings are not nesting`() throws {
        let text = "\"" + String(repeating: "[{\\\"", count: 100) + "\""
        #expect(try JSONValue(parsing: text).kind == "a string")
    }

    @Test func `size is limited`() {
        let text = "\"" + String(repeating: "a", count: 100) + "\""
        #expect(throws: JSONError.tooLarge(byteCount: 102, limit: 64)) {
            try JSONValue(parsing: text, limits: JSONLimits(byteCount: 64))
        }
    }
}
