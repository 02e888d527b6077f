import Mesh
import SansIO
import Simulator
import Testing

/// Two hosts that only relays bring together, and what becomes of their packets when relays die, slow down or misbehave.
@Suite struct RelayChoiceTests {
    private let town = Town(seed: 5)

    /// "one" and "two" behind symmetric NATs, the hub far away, and relays with these delays in each direction.
    private func settle(_ relays: [(String, Duration)]) {
        town.setLine(of: "hub", LineConditions(delay: .milliseconds(60)))
        for (name, delay) in relays { town.add(name, delay: delay) }
        town.add("one", .symmetric)
        town.add("two", .symmetric)
        town.run(.seconds(15))
    }

    private func changes(_ host: String, _ peer: String, since start: Instant) -> Int {
        town[host].pathChanges(since: start).first { $0.peer == peer }?.changes.count ?? 0
    }

    @Test func `the nearest of three relays is taken, and delays that are swapped move the path once`() {
        settle([("far", .milliseconds(40)), ("near", .zero), ("middle", .milliseconds(10))])
        let flows = [
            town.flow(.oneWay, "one", "two", every: .milliseconds(50)),
            town.flow(.oneWay, "two", "one", every: .milliseconds(50)),
        ]
        town.run(.seconds(3))
        #expect(town.relay("one", "two") == "near" && town.relay("two", "one") == "near")
        let swap = town.now
        town.setLine(of: "near", LineConditions(delay: .milliseconds(40)))
        town.setLine(of: "far", LineConditions())
        town.run(.seconds(8))
        #expect(town.relay("one", "two") == "far" && town.relay("two", "one") == "far")
        #expect(changes("one", "two", since: swap) <= 1 && changes("two", "one", since: swap) <= 1)
        town.run(.seconds(20))
        #expect(changes("one", "two", since: swap) <= 1 && changes("two", "one", since: swap) <= 1)
        for flow in flows {
            #expect(flow.lost(in: swap...(town.now - .seconds(1))) == 0, "no packet is lost by moving")
        }
    }

    @Test(arguments: 0...1)
    func `a relay that begins to lose packets is left in ten seconds, with what flows to show it`(
        _ seed: Int
    ) throws {
        settle([("first", .zero), ("second", .microseconds(2500))])
        town.run(.milliseconds(100 * seed))
        for (one, other) in [("one", "two"), ("two", "one")] {
            _ = town.flow(.oneWay, one, other, every: .milliseconds(5))
        }
        town.run(.seconds(15))
        let bad = try #require(town.relay("one", "two"))
        let began = town.now
        town.setLine(of: bad, LineConditions(delay: bad == "first" ? .zero : .microseconds(2500), loss: 0.025))
        town.run(.seconds(10))
        #expect(town.relay("one", "two") != bad && town.relay("two", "one") != bad)
        town.run(.seconds(60))
        for (one, other) in [("one", "two"), ("two", "one")] {
            let moves = town[one].happenings.filter { happening in
                guard happening.at >= began, case .pathChanged(other, _, _, _) = happening.event else { return false }
                return true
            }
            #expect(moves.count == 1, "\(moves.map { "\($0.at - began) \($0.event)" })")
            #expect(moves.allSatisfy { $0.at - began <= .seconds(6) })
        }
    }

    @Test func `a lossless relay is taken before a lossy one that is ten milliseconds nearer`() {
        settle([("lossy", .zero), ("sound", .microseconds(2500))])
        town.setLine(of: "lossy", LineConditions(loss: 0.025))
        let flow = town.flow(.requests, "one", "two", every: .milliseconds(50))
        town.run(.seconds(60))
        #expect(town.relay("one", "two") == "sound")
        let end = town.now - .seconds(1)
        #expect(flow.lost(in: end - .seconds(10)...end) == 0)
    }

    @Test func `the relay in use dies and nobody waits for half a second`() throws {
        settle([("first", .zero), ("second", .milliseconds(2)), ("third", .milliseconds(5))])
        let flow = town.flow(.oneWay, "one", "two", every: .milliseconds(10))
        town.run(.seconds(10))
        let relay = try #require(town.relay("one", "two"))
        let death = town.now
        town.simulation.kill(town[relay])
        town.run(.seconds(5))
        let gap = flow.longestGap(in: death - .seconds(1)...town.now)
        #expect(gap <= .milliseconds(500), "\(gap)")
        #expect(flow.lost(in: death + .seconds(1)...(town.now - .seconds(1))) == 0)
    }

    @Test func `two relays die at once and the third takes over`() throws {
        settle([
            ("first", .zero), ("second", .milliseconds(2)), ("third", .milliseconds(5)), ("fourth", .milliseconds(8)),
        ])
        let flow = town.flow(.oneWay, "one", "two", every: .milliseconds(10))
        town.run(.seconds(10))
        let relay = try #require(town.relay("one", "two"))
        let other = try #require(["first", "second", "third"].first { $0 != relay })
        let death = town.now
        for name in [relay, other] { town.simulation.kill(town[name]) }
        town.run(.seconds(20))
        let end = town.now - .seconds(1)
        #expect(flow.lost(in: death + .seconds(10)...end) == 0)
    }

    /// It answers its own pings at once, as if it were the nearest, and says that it has nothing to do.
    @Test func `a relay that seems near and holds what it carries is not taken`() {
        settle([("liar", .zero), ("second", .milliseconds(5)), ("third", .milliseconds(8))])
        town["liar"].relaying = LineConditions(delay: .milliseconds(60))
        let flow = town.flow(.requests, "one", "two", every: .milliseconds(50))
        town.run(.seconds(15))
        #expect(town.relay("one", "two") == "second" && town.relay("two", "one") == "second")
        let settled = town.now
        town.run(.seconds(30))
        #expect(changes("one", "two", since: settled) == 0 && changes("two", "one", since: settled) == 0)
        #expect(flow.lost(in: settled...(town.now - .seconds(1))) == 0)
        #expect(town["liar"].forwardedCount > 0, "it was tried")
    }

    @Test(arguments: ["drops", "delays", "damages"]) func `a relay that misbehaves is left`(_ fault: String) throws {
        settle([("first", .zero), ("second", .milliseconds(5)), ("third", .milliseconds(8))])
        let flow = town.flow(.requests, "one", "two", every: .milliseconds(50))
        town.run(.seconds(5))
        let bad = try #require(town.relay("one", "two"))
        var conditions = LineConditions()
        switch fault {
        case "drops": conditions.loss = 0.3
        case "delays": conditions.delay = .milliseconds(150)
        default: conditions.corruption = 0.3
        }
        town[bad].relaying = conditions
        // Loss shows slowly, for every ping is one sample; each side sees it for itself.
        town.run(.seconds(70))
        #expect(town.relay("one", "two") != bad)
        let end = town.now - .seconds(1)
        #expect(flow.lost(in: end - .seconds(10)...end) == 0)
    }

    @Test func `on lines that jitter the path stays where it is`() {
        var jittery = LineConditions(delay: .milliseconds(10), jitter: .milliseconds(15))
        jittery.reordering = 0.05
        settle([("first", .zero), ("second", .milliseconds(1)), ("third", .milliseconds(2))])
        for name in ["first", "second", "third", "one", "two"] { town.setLine(of: name, jittery) }
        _ = town.flow(.requests, "one", "two", every: .milliseconds(100))
        town.run(.seconds(30))
        let most = town.simulation.checkOscillation(since: town.now, limitPerMinute: 1)
        #expect(most == 0)
        let steady = town.now
        town.run(.seconds(120))
        _ = town.simulation.checkOscillation(since: steady, limitPerMinute: 1)
        #expect(town.simulation.violations == [])
    }
}
