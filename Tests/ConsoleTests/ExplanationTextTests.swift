import ControlAPI
import Testing
import Wire

@testable import Console

@Suite struct ExplanationTextTests {
    let text = ExplanationText(style: Style(hasColor: false))

    @Test func `an explanation shows every step with its evidence, and what to do`() {
        let explanation = Explanation(
            from: "edge-1", to: "edge-2", verdict: "relayed by gateway",
            steps: [
                .init("admission", .good, ["certificate until 2027"]),
                .init("direct", .failed, ["a: no answer", "b: no answer"]),
                .init("relay", .doubtful, []),
            ], nextStep: "forward UDP port 20007")
        #expect(
            text.lines(explanation).joined(separator: "\n") == """
                edge-1 to edge-2: relayed by gateway

                  + admission  certificate until 2027
                  x direct     a: no answer
                               b: no answer
                  ? relay

                next: forward UDP port 20007
                """)
    }

    @Test func `a trace names each hop, and who did not answer`() throws {
        let endpoint = try #require(Endpoint("198.18.1.2:20007"))
        let trace = Trace(
            target: "edge-2",
            hops: [
                .init(.origin, "edge-1"),
                .init(.relay, "gateway", endpoint: endpoint, roundTripTime: .milliseconds(3)), .init(.node, "edge-2"),
            ])
        #expect(
            text.lines(trace).joined(separator: "\n") == """
                0  edge-1 (this host)
                1  gateway (relay) 198.18.1.2:20007  3.00 ms
                2  edge-2  no answer
                """)
    }
}
