import Testing
import Wire

@Suite struct NodeNameTests {
    @Test(arguments: ["a", "edge-1", "1", "ip-10-0-0-1.us-west-2.internal", String(repeating: "a", count: 63)])
    func `a DNS name is a node name`(_ text: String) {
        #expect(NodeName(text)?.description == text)
    }

    @Test(arguments: ["", "-a", "a-", "A", "a_b", "a..b", ".a", "a.", "ä", "a b", String(repeating: "a", count: 64)])
    func `what is no DNS name is no node name`(_ text: String) {
        #expect(NodeName(text) == nil)
    }

    @Test func `a name is at most 253 bytes long`() {
        let label = String(repeating: "a", count: 63)
        #expect(NodeName([label, label, label, String(label.dropLast(2))].joined(separator: ".")) != nil)
        #expect(NodeName([label, label, label, String(label.dropLast(1))].joined(separator: ".")) == nil)
    }

    @Test(arguments: [
        ("Edge_Box 1", "edge-box-1"), ("host.example.", "host.example"), ("-x-", "x"), ("plain", "plain"),
    ])
    func `a host name is made fit`(_ hostName: String, _ expected: String) {
        #expect(NodeName(hostName: hostName)?.description == expected)
    }

    @Test func `a host name of nothing useful gives none`() {
        #expect(NodeName(hostName: "___") == nil)
        #expect(NodeName(hostName: "") == nil)
    }
}
