import SansIO
import Testing
import Traversal
import Wire

private let home = Endpoint("198.18.2.2:20007")!
private let office = Endpoint("198.18.3.2:20007")!
private let desk = Endpoint("192.168.1.2:20007")!
private let relayTrip: Duration = .milliseconds(80)

private func word(
    _ generation: UInt32, answering: UInt32 = 0, wantsAnswer: Bool = true, opened: [Endpoint] = []
) -> PunchMessage {
    PunchMessage(
        generation: generation, answering: answering, wantsAnswer: wantsAnswer, nat: .unknown, allocation: .any,
        candidates: [], opened: opened)
}

private func probed(_ actions: [HolePunch.Action]) -> [Endpoint] {
    actions.compactMap { if case .probe(let endpoint) = $0 { endpoint } else { nil } }
}

private func told(_ actions: [HolePunch.Action]) -> [HolePunch.Announcement] {
    actions.compactMap { if case .tell(let announcement) = $0 { announcement } else { nil } }
}

@Suite struct HolePunchTests {
    private let start = Instant.zero + .seconds(10)

    @Test func `what opens our own NAT goes before the word, and no further than our NAT`() {
        var punch = HolePunch()
        let actions = punch.begin(because: .relayed, towards: [office, desk], roundTrip: relayTrip, at: start)
        #expect(probed(actions) == [office, desk])
        guard case .probe? = actions.first, case .tell? = actions.last else {
            Issue.record("the order is \(actions)")
            return
        }
        #expect(told(actions) == [.init(generation: 1, answering: 0, wantsAnswer: true, opened: [office, desk])])
        #expect(punch.isBrief(office, at: start))
        #expect(!punch.isBrief(desk, at: start), "a private network has no NAT in between that minds")
    }

    @Test func `the side that is asked probes at once where the other has opened`() {
        var punch = HolePunch()
        let actions = punch.hear(
            word(1, opened: [office]), towards: [home], own: [office], roundTrip: relayTrip, at: start)
        #expect(probed(actions) == [home])
        #expect(!punch.isBrief(home, at: start))
        #expect(told(actions) == [.init(generation: 1, answering: 1, wantsAnswer: false, opened: [home])])
        #expect(punch.lastAttempt?.reason == .asked)
    }

    @Test func `a peer that opened for an old address of ours gets brief probes until it knows better`() {
        var punch = HolePunch()
        let old = Endpoint("198.18.3.2:1111")!
        _ = punch.hear(word(1, opened: [old]), towards: [home], own: [office], roundTrip: relayTrip, at: start)
        #expect(punch.isBrief(home, at: start))
        let actions = punch.hear(
            word(1, answering: 1, wantsAnswer: false, opened: [office]), towards: [home], own: [office],
            roundTrip: relayTrip, at: start + relayTrip)
        #expect(probed(actions) == [home])
        #expect(!punch.isBrief(home, at: start + relayTrip))
    }

    @Test func `a peer that says nothing is probed all the way after two round trips`() {
        var punch = HolePunch()
        _ = punch.begin(because: .relayed, towards: [office], roundTrip: .milliseconds(400), at: start)
        #expect(punch.isBrief(office, at: start + .milliseconds(799)))
        #expect(!punch.isBrief(office, at: start + .milliseconds(800)))
    }

    @Test func `two sides with fresh addresses have probed through each other after one and a half relay round trips`()
    {
        var (one, two) = (HolePunch(), HolePunch())
        let first = one.begin(because: .relayed, towards: [office], roundTrip: relayTrip, at: start)
        let atTwo = start + relayTrip / 2
        let answer = two.hear(
            word(1, opened: told(first)[0].opened), towards: [home], own: [office], roundTrip: relayTrip, at: atTwo)
        #expect(probed(answer) == [home])
        #expect(!two.isBrief(home, at: atTwo), "this probe passes the NAT that the other has opened")
        let back = start + relayTrip
        let second = one.hear(
            word(1, answering: 1, wantsAnswer: false, opened: told(answer)[0].opened), towards: [office], own: [home],
            roundTrip: relayTrip, at: back)
        #expect(probed(second) == [office])
        #expect(!one.isBrief(office, at: back))
        #expect(told(second).isEmpty, "all is said")
    }

    @Test func `an attempt ends, is counted lost, and is repeated with growing pauses`() {
        var punch = HolePunch()
        var now = start
        var actions = punch.begin(because: .relayed, towards: [office], roundTrip: nil, at: now)
        var (probes, dues): (Int, [Duration]) = (0, [])
        var endedAt = now
        while dues.count < 5, let deadline = punch.nextDeadline {
            probes += probed(actions).count
            now = deadline
            actions = punch.advance(to: now)
            for action in actions {
                switch action {
                case .ended(let attempt):
                    #expect(attempt.outcome == .lost)
                    #expect(attempt.targets.map(\.probes) == [HolePunch.shotTimes.count])
                    endedAt = now
                case .due(let reason):
                    #expect(reason == .stillRelayed)
                    dues.append(now - endedAt)
                    actions = punch.begin(because: reason, towards: [office], roundTrip: nil, at: now)
                default: break
                }
            }
        }
        #expect(dues == [30, 60, 120, 300, 300].map { .seconds($0) })
        #expect(probes >= 5 * HolePunch.shotTimes.count - 1)
    }

    @Test func `success ends the attempt and its repetitions`() {
        var punch = HolePunch()
        _ = punch.begin(because: .relayed, towards: [office], roundTrip: nil, at: start)
        let actions = punch.succeeded(at: office, at: start + .milliseconds(50))
        guard case .ended(let attempt)? = actions.first else {
            Issue.record("no end in \(actions)")
            return
        }
        #expect(attempt.outcome == .won(office))
        #expect(punch.nextDeadline == nil)
        #expect(punch.succeeded(at: office, at: start + .seconds(1)).isEmpty)
    }

    @Test func `attempts that are asked for too often are made later`() {
        var punch = HolePunch()
        _ = punch.begin(because: .relayed, towards: [office], roundTrip: nil, at: start)
        _ = punch.succeeded(at: office, at: start)
        #expect(punch.begin(because: .pathLost, towards: [office], roundTrip: nil, at: start).isEmpty)
        #expect(punch.nextDeadline == start + HolePunch.pause)
        #expect(punch.advance(to: start + HolePunch.pause) == [.due(.pathLost)])
    }

    @Test func `a late word of an earlier attempt changes nothing`() {
        var punch = HolePunch()
        _ = punch.hear(word(7), towards: [home], own: [], roundTrip: nil, at: start)
        #expect(punch.hear(word(6), towards: [office], own: [], roundTrip: nil, at: start).isEmpty)
        #expect(punch.lastAttempt?.targets.map(\.endpoint) == [home])
    }

    @Test func `a peer that speaks all the time makes us send no more than one attempt's probes`() {
        var punch = HolePunch()
        var probes = 0
        var now = start
        var ended = false
        for generation in 1...10_000 as ClosedRange<UInt32> where !ended {
            let fresh = (0..<16).map { Endpoint(.v4(IPv4Address(198, 18, UInt8(generation % 200), $0)), port: 9) }
            probes +=
                probed(
                    punch.hear(word(generation, wantsAnswer: false), towards: fresh, own: [], roundTrip: nil, at: now)
                ).count
            if generation == 1 {
                probes += probed(punch.hear(word(generation), towards: fresh, own: [], roundTrip: nil, at: now)).count
            }
            now = now + .milliseconds(1)
            if let deadline = punch.nextDeadline, deadline <= now {
                let actions = punch.advance(to: now)
                probes += probed(actions).count
                ended = actions.contains { if case .ended = $0 { true } else { false } }
            }
        }
        #expect(ended)
        #expect(probes <= HolePunch.targetLimit * HolePunch.shotTimes.count * HolePunch.seriesLimit)
    }

    @Test func `a new session counts from one again`() {
        var punch = HolePunch()
        _ = punch.hear(word(900), towards: [home], own: [], roundTrip: nil, at: start)
        _ = punch.reset(at: start)
        #expect(punch.nextDeadline == nil)
        #expect(!punch.hear(word(1), towards: [home], own: [], roundTrip: nil, at: start).isEmpty)
    }
}
