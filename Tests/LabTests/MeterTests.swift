import Lab
import Testing

@Suite(.serialized, .enabled(if: Requirement.isMet, Comment(rawValue: Requirement.reason)))
struct MeterTests {
    @Test func `a meter sees what is cut, and a TCP connection that outlives it`() throws {
        try Lab.with { lab in
            let one = try lab.host("one", on: lab.core)
            let two = try lab.host("two", on: lab.core)
            let meter = try Meter(
                from: one, at: one.uplink.address, to: two, at: two.uplink.address, streamBytes: 1000)
            try meter.waitForAnswers(100)
            let cut = Meter.now
            try lab.core.cut(one.uplink, from: two.uplink)
            try Meter.pause(.milliseconds(300))
            try lab.core.heal(one.uplink, and: two.uplink)
            let healed = Meter.now
            try meter.waitForAnswers(400)
            let recording = try meter.stop()
            let window = cut - .milliseconds(50)..<recording.lastSent
            for end in 0...1 {
                #expect(recording.longestSilence(from: end, in: window) >= .milliseconds(300))
                #expect(recording.count(.lost, from: end, in: window) > 0)
                let flow = try #require(recording.ends[end].flow)
                #expect(flow.isOpen)
                #expect(flow.wrongBytes == 0)
                #expect(flow.receivedBytes > 0)
                #expect(flow.retransmits > 0)
            }
            let after = healed + .milliseconds(100)..<recording.lastSent - .milliseconds(100)
            #expect(recording.count(.lost, in: after) == 0)
        }
    }
}
