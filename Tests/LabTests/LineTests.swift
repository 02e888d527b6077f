import Lab
import Testing
import Wire

@Suite(.serialized, .enabled(if: Requirement.isMet, Comment(rawValue: Requirement.reason)))
struct LineTests {
    @Test func `a line delays each way and carries whole frames`() throws {
        try Lab.with { lab in
            let far = try lab.host("far", on: lab.line("line", delay: .milliseconds(20)))
            let near = try lab.host("near", on: lab.core)
            let times = try near.roundTrips(to: far.uplink.address, count: 5)
            #expect(times.count == 5)
            #expect(times[0] >= 40)
            #expect(
                try near.result(of: "ping", "-n", "-c", "1", "-s", "1472", "-M", "do", "\(far.uplink.address)")
                    .succeeded)
            #expect(try near.canPing(try #require(far.uplink.address6)))
            #expect(try near.throughput(to: far.uplink.address, of: far, seconds: 1) > 0)
        }
    }

    @Test func `a line that becomes faster loses nothing and keeps the order`() throws {
        try Lab.with { lab in
            let line = lab.line("line", delay: .milliseconds(100))
            let far = try lab.host("far", on: line)
            let near = try lab.host("near", on: lab.core)
            let meter = try Meter(from: near, at: near.uplink.address, to: far, at: far.uplink.address)
            try meter.waitForAnswers(100)
            let changed = Meter.now
            try line.set(delay: .milliseconds(10), loss: 0)
            try meter.waitForAnswers(200)
            let recording = try meter.stop()
            let window = changed - .milliseconds(200)..<changed + .milliseconds(200)
            #expect(recording.count(.lost, in: window) == 0)
            #expect(recording.count(.overtaken, in: window) == 0)
            #expect(recording.count(.duplicated, in: window) == 0)
            let first = try #require(recording.ends[0].probes.first?.oneWay)
            #expect(first >= .milliseconds(100))
            #expect(recording.timeToFirstProbe(fasterThan: .milliseconds(100)) != nil)
        }
    }

    @Test func `a line loses what it was told to lose, until it is told otherwise`() throws {
        try Lab.with { lab in
            let line = lab.line("line")
            let far = try lab.host("far", on: line)
            let near = try lab.host("near", on: lab.core)
            // So that the ends know each other's hardware address: asking for that may be lost for seconds.
            #expect(try near.canPing(far.uplink.address))
            try line.set(delay: .zero, loss: 0.3)
            let report = try near.result(
                of: "ping", "-n", "-q", "-i", "0.005", "-W", "1", "-c", "200", "\(far.uplink.address)")
            let received = try #require(report.output.firstMatch(of: #/(\d+) received/#).flatMap { Int($0.1) })
            // Both ways pass with 0.7 * 0.7: 98 of 200, give or take five standard deviations.
            #expect((60...135).contains(received))
            try line.set(delay: .zero, loss: 1)
            #expect(try !near.canPing(far.uplink.address, within: 1))
            try line.set(delay: .zero, loss: 0)
            #expect(try near.canPing(far.uplink.address))
        }
    }
}
