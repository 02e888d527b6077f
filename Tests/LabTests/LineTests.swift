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

    @Test func `a line loses what it was told to lose, until it is told otherwise`() throws {
        try Lab.with { lab in
            let line = lab.line("line", loss: 0.3)
            let far = try lab.host("far", on: line)
            let near = try lab.host("near", on: lab.core)
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
