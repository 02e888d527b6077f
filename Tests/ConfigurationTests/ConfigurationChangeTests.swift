import Testing
import Wire

@testable import Configuration

@Suite struct ConfigurationChangeTests {
    @Test func `a reload knows what changed and when it takes effect`() {
        let old = Configuration(nodeName: .example)
        var new = old
        #expect(Configuration.changes(from: old, to: new) == [])
        new.listen.port = 4500
        new.logging.level = .debug
        #expect(
            Configuration.changes(from: old, to: new) == [
                ConfigurationChange(key: "listen.port", old: "20007", new: "4500", effect: .restart),
                ConfigurationChange(key: "logging.level", old: "info", new: "debug", effect: .live),
            ])
    }

    @Test(arguments: [
        ("prot", "port"), ("intreface", "interface"), ("relaynodes", "relayNodes"), ("advertize", "advertise"),
        ("keep-alive", "keepalive"), ("limit", "limits"),
    ])
    func `a near miss is recognised`(_ typed: String, _ meant: String) {
        let known = ["port", "interface", "relay", "relayNodes", "advertise", "keepalive", "limits", "listen"]
        #expect(NearMiss.closest(to: typed, among: known) == meant)
    }

    @Test(arguments: ["banana", "x", "", "forward"])
    func `what resembles nothing gets no suggestion`(_ typed: String) {
        #expect(NearMiss.closest(to: typed, among: ["port", "interface", "relayNodes"]) == nil)
    }

    @Test func `swapped neighbours are one edit`() {
        #expect(NearMiss.edits(from: "prot", to: "port") == 1)
        #expect(NearMiss.edits(from: "abc", to: "abc") == 0)
        #expect(NearMiss.edits(from: "", to: "abc") == 3)
        #expect(NearMiss.edits(from: "kitten", to: "sitting") == 3)
    }
}
