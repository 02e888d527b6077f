/// A value inside a document and the way to it, so that what is wrong can be named: `peers[3].path must be a string`.
package struct JSONCursor: Sendable {
    private indirect enum Path: Sendable {
        case root
        case member(Path, String)
        case element(Path, Int)

        var description: String {
            switch self {
            case .root: ""
            case .member(.root, let name): name
            case .member(let parent, let name): "\(parent.description).\(name)"
            case .element(let parent, let index): "\(parent.description)[\(index)]"
            }
        }
    }

    package let value: JSONValue
    private let location: Path

    package init(_ value: JSONValue) {
        self.init(value, at: .root)
    }

    private init(_ value: JSONValue, at location: Path) {
        self.value = value
        self.location = location
    }

    package var path: String {
        if case .root = location { "the document" } else { location.description }
    }

    /// The member called `name`, which must be there; `null` counts as absent.
    package func member(_ name: String) throws(JSONError) -> JSONCursor {
        guard let member = try optionalMember(name) else {
            throw .missing(path: Path.member(location, name).description)
        }
        return member
    }

    /// The member called `name`, or `nil` where it is absent or `null`.
    package func optionalMember(_ name: String) throws(JSONError) -> JSONCursor? {
        guard let value = try object()[name], value != .null else { return nil }
        return JSONCursor(value, at: .member(location, name))
    }

    package func object() throws(JSONError) -> JSONObject {
        guard case .object(let object) = value else { throw mismatch("an object") }
        return object
    }

    /// The members of an object in their order.
    package func members() throws(JSONError) -> [(name: String, cursor: JSONCursor)] {
        try object().members.map { ($0.name, JSONCursor($0.value, at: .member(location, $0.name))) }
    }

    package func elements() throws(JSONError) -> [JSONCursor] {
        guard case .array(let elements) = value else { throw mismatch("an array") }
        return elements.enumerated().map { JSONCursor($1, at: .element(location, $0)) }
    }

    package func string() throws(JSONError) -> String {
        guard case .string(let string) = value else { throw mismatch("a string") }
        return string
    }

    package func boolean() throws(JSONError) -> Bool {
        guard case .boolean(let flag) = value else { throw mismatch("a boolean") }
        return flag
    }

    /// An integer that `Integer` can hold.
    package func integer<Integer: FixedWidthInteger>(_ type: Integer.Type = Int.self) throws(JSONError) -> Integer {
        guard case .integer(let number) = value else { throw mismatch("an integer") }
        guard let exact = Integer(exactly: number) else {
            throw invalid("an integer from \(Integer.min) to \(Integer.max)", found: "\(number)")
        }
        return exact
    }

    /// Any number, with or without a fraction.
    package func number() throws(JSONError) -> Double {
        switch value {
        case .integer(let integer): return Double(integer)
        case .number(let number): return number
        default: throw mismatch("a number")
        }
    }

    /// A string that `Parsed` understands; `expected` says what it should have been ("an address").
    package func parsed<Parsed: LosslessStringConvertible>(
        _ type: Parsed.Type, expected: String
    ) throws(JSONError) -> Parsed {
        let text = try string()
        guard let parsed = Parsed(text) else { throw invalid(expected, found: text) }
        return parsed
    }

    /// The error for a value of the right type that the caller refuses.
    package func invalid(_ expected: String, found: String) -> JSONError {
        .invalid(path: path, expected: expected, found: found)
    }

    private func mismatch(_ expected: String) -> JSONError {
        .wrongType(path: path, expected: expected, found: value.kind)
    }
}
