import SansIO
import Testing

@testable import Relay

@Suite struct RelayQuotaTests {
    private static let frameBytes = 1250

    /// Lets members send at rates of bytes a second for some seconds, and gives what each got through, a second.
    private func passed(
        _ rates: [Int], through quota: RelayQuota, seconds: Int = 10, jitter: Bool = false,
        from start: Instant = .zero + .seconds(1000)
    ) -> [Double] {
        var random = SeededRandom(seed: 7)
        let meters = rates.map { _ in RelayMeter(quota) }
        var credits = rates.map { _ in 0.0 }
        var now = start
        // The first two seconds settle.
        var before = rates.map { _ in UInt64(0) }
        for tick in 0..<(seconds + 2) * 1000 {
            if tick == 2000 { before = meters.map(\.counts.bytes) }
            now = now + .milliseconds(1)
            for index in rates.indices {
                let factor = jitter ? Double.random(in: 0...2, using: &random) : 1
                credits[index] += Double(rates[index]) / 1000 * factor
                while credits[index] >= Double(Self.frameBytes) {
                    credits[index] -= Double(Self.frameBytes)
                    if meters[index].admits(Self.frameBytes, at: now) {
                        meters[index].noteRelayed(packets: 1, bytes: Self.frameBytes)
                    }
                }
            }
        }
        return zip(meters, before).map { Double($0.counts.bytes - $1) / Double(seconds) }
    }

    private func isClose(_ value: Double, _ expected: Int) -> Bool {
        abs(value - Double(expected)) <= 0.05 * Double(expected)
    }

    @Test func `without limits everything passes and is counted`() {
        let quota = RelayQuota()
        #expect(!quota.isLimited)
        let meter = RelayMeter(quota)
        for _ in 0..<1000 { #expect(meter.admits(1500, at: .zero)) }
        meter.noteRelayed(packets: 1000, bytes: 1_500_000)
        #expect(meter.counts.packets == 1000)
        #expect(quota.counts.bytes == 1_500_000)
        #expect(quota.counts.droppedPackets == 0)
    }

    @Test(arguments: [1_000_000, 12_500_000, 125_000_000])
    func `a member's rate is held within five percent`(rate: Int) {
        let quota = RelayQuota()
        quota.setRates(total: 0, perMember: rate)
        let got = passed([3 * rate, rate / 2], through: quota, seconds: 3)
        #expect(isClose(got[0], rate), "\(got)")
        #expect(isClose(got[1], rate / 2), "\(got)")
    }

    @Test(
        arguments: [
            ([100, 50, 10], 60, [25, 25, 10]), ([100, 100], 60, [30, 30]), ([100], 60, [60]),
            ([10, 20, 20], 60, [10, 20, 20]), ([300, 5, 5, 5], 60, [45, 5, 5, 5]),
        ])
    func `the total is shared by max-min, and held within five percent`(rates: [Int], total: Int, shares: [Int]) {
        for jitter in [false, true] {
            let quota = RelayQuota()
            quota.setRates(total: total * 100_000, perMember: 0)
            let got = passed(rates.map { $0 * 100_000 }, through: quota, jitter: jitter)
            let sum = got.reduce(0, +)
            #expect(sum <= 1.05 * Double(total * 100_000), "\(got)")
            for (value, share) in zip(got, shares) where !jitter {
                #expect(isClose(value, share * 100_000), "\(got)")
            }
            for (value, share) in zip(got, shares) where jitter {
                #expect(value >= 0.9 * Double(share * 100_000), "\(got)")
            }
        }
    }

    @Test func `a flood of one member takes nothing from a small flow of another`() {
        let quota = RelayQuota()
        quota.setRates(total: 1_250_000, perMember: 0)
        let flood = RelayMeter(quota)
        let call = RelayMeter(quota)
        var now = Instant.zero + .seconds(1000)
        for tick in 0..<5000 {
            now = now + .milliseconds(1)
            for _ in 0..<20 { _ = flood.admits(1250, at: now) }
            if tick.isMultiple(of: 20) { _ = call.admits(200, at: now) }
        }
        #expect(call.counts.droppedPackets == 0)
        #expect(flood.counts.droppedPackets > 90_000)
        #expect(quota.counts.droppedPackets == flood.counts.droppedPackets)
    }

    @Test func `rates may change while frames flow, and limits may end`() {
        let quota = RelayQuota()
        quota.setRates(total: 1_000_000, perMember: 500_000)
        #expect(isClose(passed([5_000_000], through: quota, seconds: 3)[0], 500_000))
        quota.setRates(total: 1_000_000, perMember: 0)
        let second = Instant.zero + .seconds(2000)
        #expect(isClose(passed([5_000_000], through: quota, seconds: 3, from: second)[0], 1_000_000))
        quota.setRates(total: 0, perMember: 0)
        let third = Instant.zero + .seconds(3000)
        #expect(isClose(passed([5_000_000], through: quota, seconds: 3, from: third)[0], 5_000_000))
    }

    @Test func `64 members at once get the same`() {
        let quota = RelayQuota()
        quota.setRates(total: 6_400_000, perMember: 0)
        for value in passed(Array(repeating: 400_000, count: 64), through: quota, seconds: 5) {
            #expect(isClose(value, 100_000), "\(value)")
        }
    }

    @Test func `meters come with circuits and go with their members`() {
        var relay = RelayServer(mode: .on)
        relay.open(by: 1, replyID: 11, relayID: 101, target: 2, targetRelayID: 102, at: .zero)
        relay.open(by: 1, replyID: 12, relayID: 103, target: 3, targetRelayID: 104, at: .zero)
        #expect(Set(relay.meters.keys) == [1, 2, 3])
        let meter = relay.meters[1]
        _ = relay.close(101, by: nil)
        #expect(relay.meters[1] === meter)
        _ = relay.removePeer(1)
        #expect(Set(relay.meters.keys) == [2, 3])
    }
}
