import Testing
import Wire

@testable import Identity

@Suite struct NamePatternTests {
    @Test(arguments: [
        ("*", "edge-1"), ("edge-*", "edge-1"), ("edge-*", "edge-"), ("*-1", "edge-1"), ("e*g*1", "edge-1"),
        ("edge-1", "edge-1"), ("**", "a"), ("*a*a*", "banana"), ("*.site", "a.b.site"),
    ])
    func `a name that fits is permitted`(_ pattern: String, _ name: String) throws {
        let pattern = try #require(NamePattern(pattern))
        guard let name = NodeName(name) else { return }
        #expect(pattern.matches(name))
    }

    @Test(arguments: [
        ("edge-*", "hub-1"), ("edge", "edge-1"), ("edge-1", "edge"), ("*-2", "edge-1"), ("a*b*c", "ab"),
        ("*a*a*a*a*", "banana"),
    ])
    func `a name that does not fit is not`(_ pattern: String, _ name: String) throws {
        #expect(try #require(NamePattern(pattern)).matches(try #require(NodeName(name))) == false)
    }

    @Test func `many stars take no more than a moment`() throws {
        let pattern = try #require(NamePattern(String(repeating: "*a", count: 32)))
        let name = try #require(NodeName(String(repeating: "a", count: 31) + "b"))
        #expect(!pattern.matches(name))
    }

    @Test(arguments: ["", "Edge", "a?", "a b", String(repeating: "a", count: 65)])
    func `what is no pattern is refused`(_ text: String) {
        #expect(NamePattern(text) == nil)
    }
}
