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

    @Test func `a relay tells what it does for whom`() {
        var status = RelayStatus(state: .draining, circuits: 1, circuitLimit: 4096)
        status.bytes = 2048
        status.droppedPackets = 1000
        status.members = [.init(name: "edge-1", circuits: 1, bytes: 2048, droppedPackets: 1000)]
        status.refusals = [.init("target unreachable", 2), .init("too many circuits", 0)]
        #expect(
            RelayText(style: Style(hasColor: false)).lines(status).joined(separator: "\n") == """
                This node takes no new circuits and moves those it has elsewhere.
                  1 of 4096 circuits, 2.0 KiB forwarded, 1 000 packets dropped
                  refused: 2 target unreachable

                MEMBER  CIRCUITS  FORWARDED  DROPPED
                edge-1         1    2.0 KiB    1 000
                """)
    }
}
