import Lab
import Testing

@Suite struct RecordingTests {
    private static let tenth = Duration.milliseconds(100)

    /// Probes that are sent every 10 ms and take 20 ms, but for what `change` does to them.
    private func recording(change: (inout Recording.Probe) -> Void) -> Recording {
        var recording = Recording()
        recording.interval = .milliseconds(10)
        for end in 0...1 {
            recording.ends[end].probes = (0..<100).map { number in
                let sent = Duration.milliseconds(10 * number)
                var probe = Recording.Probe(
                    number: number, sent: sent, arrived: sent + .milliseconds(20), answered: sent + .milliseconds(40),
                    copies: 1)
                if end == 0 { change(&probe) }
                return probe
            }
        }
        return recording
    }

    @Test func `a gap is what lies between two arrivals, or an arrival and the end`() {
        let recording = recording { probe in
            if (30..<50).contains(probe.number) {
                probe.arrived = nil
                probe.answered = nil
            }
        }
        let window = Duration.milliseconds(100)..<Duration.milliseconds(800)
        #expect(recording.longestSilence(from: 0, in: window) == .milliseconds(210))
        #expect(recording.longestSilence(from: 1, in: window) == .milliseconds(10))
        #expect(recording.longestSilence(in: window) == .milliseconds(210))
        #expect(recording.longestUnanswered(at: 0, in: window) == .milliseconds(210))
        #expect(recording.longestSilence(in: .milliseconds(100)..<(.milliseconds(400))) == .milliseconds(90))
        #expect(recording.count(.lost, in: window) == 20)
        #expect(recording.longestOwnStall(in: window) == .milliseconds(10))
    }

    @Test func `what arrives twice or after a later one is counted`() {
        let recording = recording { probe in
            if probe.number == 10 { probe.copies = 2 }
            // From here on the way is 15 ms shorter: the last probe before is overtaken by one.
            if probe.number >= 20 { probe.arrived = probe.sent + .milliseconds(5) }
        }
        let window = Duration.zero..<Duration.seconds(1)
        #expect(recording.count(.duplicated, in: window) == 1)
        #expect(recording.count(.overtaken, in: window) == 1)
        #expect(recording.count(.lost, in: window) == 0)
        #expect(recording.timeToFirstProbe(fasterThan: .milliseconds(10)) == .milliseconds(205))
        #expect(recording.timeToFirstAnswer() == .milliseconds(40))
    }

    @Test func `a record is read as it is written`() throws {
        let recording = try Recording(
            parsing: """
                interval 1000 5000000
                probe 0 0 1000 2000 3000 1
                probe 1 7 1000 0 0 0
                chunk 1 5000 400
                flow 0 10 20 0 1 3 0 2 1
                """)
        #expect(recording.interval == .milliseconds(5))
        #expect(recording.ends[0].probes[0].roundTrip == .microseconds(2))
        #expect(recording.ends[1].probes[0].arrived == nil)
        #expect(recording.ends[1].chunks == [Recording.Chunk(arrived: .microseconds(5), bytes: 400)])
        #expect(recording.ends[0].flow?.retransmits == 3)
        #expect(throws: LabError.self) { try Recording(parsing: "probe 0 1") }
    }
}
