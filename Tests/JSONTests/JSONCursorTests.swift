import JSON
import Testing

@Suite struct JSONCursorTests {
    let cursor = JSONCursor([
        "peers": [["name": "a"], ["name": 3, "port": 70_000]], "rtt": 2, "flag": false, "none": .null,
    ])

    @Test func `members are read by type`() throws {
        #expect(try cursor.member("peers").elements()[0].member("name").string() == "a")
        #expect(try cursor.member("rtt").number() == 2)
        #expect(try cursor.member("rtt").integer(UInt8.self) == 2)
        #expect(try cursor.member("flag").boolean() == false)
        #expect(try cursor.optionalMember("none") == nil)
        #expect(try cursor.optionalMember("absent") == nil)
        #expect(try cursor.members().map(\.name) == ["peers", "rtt", "flag", "none"])
    }

    @Test func `an error names the way to the value`() {
        #expect(throws: JSONError.wrongType(path: "peers[1].name", expected: "a string", found: "an integer")) {
            try cursor.member("peers").elements()[1].member("name").string()
        }
        #expect(throws: JSONError.missing(path: "peers[0].port")) {
            try cursor.member("peers").elements()[0].member("port")
        }
        #expect(throws: JSONError.missing(path: "none")) { try cursor.member("none") }
        #expect(throws: JSONError.wrongType(path: "the document", expected: "an array", found: "an object")) {
            try cursor.elements()
        }
    }

    @Test func `an integer out of range is refused with the range`() {
        #expect {
            try cursor.member("peers").elements()[1].member("port").integer(UInt16.self)
        } throws: { error in
            "\(error)" == "peers[1].port must be an integer from 0 to 65535, not \"70000\""
        }
    }
}
