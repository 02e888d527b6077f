package import JSON
import Wire

/// A message, or a part of one, with its JSON form. Unknown members are skipped, so that older programs read newer replies.
package protocol JSONRepresentable: Equatable, Sendable {
    init(json: JSONCursor) throws(JSONError)
    var json: JSONValue { get }
}

extension JSONRepresentable {
    /// Parses one line without its line end.
    package init(parsing line: [UInt8], limitBytes: Int = Control.replyLimitBytes) throws(JSONError) {
        try self.init(json: JSONCursor(JSONValue(parsing: line, limits: JSONLimits(byteCount: limitBytes))))
    }

    /// One line of JSON with its line end.
    package var line: [UInt8] { json.text + [UInt8(ascii: "\n")] }
}

// MARK: reading members

extension JSONCursor {
    func list<Element>(_ name: String, of type: Element.Type = Element.self) throws(JSONError) -> [Element]
    where Element: JSONRepresentable {
        var list: [Element] = []
        for element in try member(name).elements() { list.append(try Element(json: element)) }
        return list
    }

    func texts(_ name: String) throws(JSONError) -> [String] {
        var texts: [String] = []
        for element in try member(name).elements() { texts.append(try element.string()) }
        return texts
    }

    /// A list of addresses, prefixes or endpoints in their text form.
    func parsedList<Element: LosslessStringConvertible>(
        _ name: String, expected: String, of type: Element.Type = Element.self
    ) throws(JSONError) -> [Element] {
        var list: [Element] = []
        for element in try member(name).elements() { list.append(try element.parsed(Element.self, expected: expected)) }
        return list
    }

    func optionalString(_ name: String) throws(JSONError) -> String? { try optionalMember(name)?.string() }

    func optionalEndpoint(_ name: String) throws(JSONError) -> Endpoint? {
        try optionalMember(name)?.parsed(Endpoint.self, expected: "an address and port")
    }

    func optionalPrefix(_ name: String) throws(JSONError) -> IPPrefix? {
        try optionalMember(name)?.parsed(IPPrefix.self, expected: "an address prefix")
    }

    func optionalTimestamp(_ name: String) throws(JSONError) -> Timestamp? {
        try optionalMember(name)?.parsed(Timestamp.self, expected: "a time such as 2027-01-31T12:00:00Z")
    }

    /// A number of milliseconds, kept to the microsecond.
    func optionalMilliseconds(_ name: String) throws(JSONError) -> Duration? {
        try optionalMember(name)?.duration(microsecondsPerUnit: 1000)
    }

    /// A number of seconds, kept to the microsecond.
    func optionalSeconds(_ name: String) throws(JSONError) -> Duration? {
        try optionalMember(name)?.duration(microsecondsPerUnit: 1_000_000)
    }

    func seconds(_ name: String) throws(JSONError) -> Duration {
        try member(name).duration(microsecondsPerUnit: 1_000_000)
    }

    private func duration(microsecondsPerUnit: Double) throws(JSONError) -> Duration {
        let microseconds = (try number() * microsecondsPerUnit).rounded()
        // 2⁵³ microseconds are 285 years, and exact in a Double.
        guard (0...0x1p53).contains(microseconds) else {
            throw invalid("a time from 0 to 285 years", found: "\(try number())")
        }
        return .microseconds(Int64(microseconds))
    }
}

// MARK: writing members

extension JSONValue {
    init(texts: [some LosslessStringConvertible]) {
        self = .array(texts.map { .string($0.description) })
    }

    init(list: [some JSONRepresentable]) {
        self = .array(list.map(\.json))
    }

    init(count: UInt64) {
        self = .integer(Int64(clamping: count))
    }
}

extension Optional where Wrapped: LosslessStringConvertible {
    var json: JSONValue? { map { .string($0.description) } }
}

extension Duration {
    var milliseconds: JSONValue { .number(Double(wholeMicroseconds) / 1000) }
    var seconds: JSONValue { .number(Double(wholeMicroseconds) / 1_000_000) }

    private var wholeMicroseconds: Int64 {
        components.seconds * 1_000_000 + components.attoseconds / 1_000_000_000_000
    }
}
