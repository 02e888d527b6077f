import SansIO
import Testing
import Traversal
import Wire

/// What happens when a path dies under traffic.
@Suite struct DoubtTests {
    private var script = PathScript()

    private mutating func settle(on current: Path, with others: [Path], roundTrip: Duration = .milliseconds(40)) {
        for path in [current] + others { script.delays[path] = roundTrip }
        script.begin(on: current, with: others)
        script.run(for: .seconds(20))
        #expect(script.paths.current == current)
        #expect(script.duplications.isEmpty, "\(script.duplications)")
    }

    @Test(arguments: [10, 40, 80, 100]) mutating func `a relay that dies costs three round trips of silence at most`(
        _ milliseconds: Int
    ) throws {
        settle(on: PathScript.first, with: [PathScript.second], roundTrip: .milliseconds(milliseconds))
        let death = script.elapsed
        script.delays[PathScript.first] = nil
        script.run(for: .seconds(3))
        let duplicated = try #require(script.duplications.first)
        #expect(duplicated.path == PathScript.second)
        // What was under way at the death is still answered for a round trip: the silence begins after that.
        let silence = duplicated.at - death - .milliseconds(milliseconds)
        #expect(silence <= max(.milliseconds(150), .milliseconds(3 * milliseconds)) + .milliseconds(30))
        let moved = try #require(script.uses.last)
        #expect(moved.path == PathScript.second && moved.reason == .unanswered)
        #expect(moved.at - death <= .seconds(1))
        #expect(script.paths.duplicate == nil)
        #expect(script.paths.history.counters.failovers == 1)
    }

    @Test(arguments: [20, 40, 80, 100])
    mutating func `where packets came all the time, two round trips of silence are doubt`(_ milliseconds: Int) throws {
        script.packetInterval = .milliseconds(5)
        settle(on: PathScript.first, with: [PathScript.second], roundTrip: .milliseconds(milliseconds))
        let death = script.elapsed
        script.cut(PathScript.first)
        script.run(for: .seconds(1))
        let duplicated = try #require(script.duplications.first)
        #expect(duplicated.at - death <= max(.milliseconds(120), .milliseconds(2 * milliseconds)) + .milliseconds(10))
        #expect(script.paths.current == PathScript.second)
    }

    @Test mutating func `a peer that only sends is asked when it falls silent, and doubted when it does not answer`()
        throws
    {
        script.isOnlyHeard = true
        script.packetInterval = .milliseconds(10)
        settle(on: PathScript.home, with: [PathScript.first])
        let before = script.pings.count
        script.run(for: .seconds(10))
        #expect(script.pings.count - before <= 32, "no more pings than otherwise")
        let death = script.elapsed
        script.cut(PathScript.home)
        script.run(for: .seconds(1))
        let duplicated = try #require(script.duplications.first)
        #expect(duplicated.at - death <= .milliseconds(420), "\(duplicated.at - death)")
        #expect(script.pings.contains { $0.inDoubt }, "the peer is told")
    }

    @Test(arguments: [10, 40, 80, 150]) mutating func `a flow that ends with a packet of ours is no reason for doubt`(
        _ milliseconds: Int
    ) {
        script.packetInterval = .milliseconds(5)
        settle(on: PathScript.first, with: [PathScript.second], roundTrip: .milliseconds(milliseconds))
        let before = script.pings.count
        for _ in 0..<10 {
            script.isOneWay = true
            script.run(for: .milliseconds(20))
            script.hasTraffic = false
            script.run(for: .seconds(2))
            script.isOneWay = false
            script.hasTraffic = true
            script.run(for: .seconds(2))
        }
        #expect(script.duplications.isEmpty)
        #expect(script.pings.count - before <= 200, "\(script.pings.count - before)")
    }

    @Test mutating func `a path that answers in doubt and is closed takes nothing over, and no deadline stays past`() {
        settle(on: PathScript.first, with: [PathScript.second])
        script.delays[PathScript.first] = nil
        while script.paths.duplicate == nil, script.elapsed < .seconds(25) { script.run(for: .milliseconds(1)) }
        script.run(for: .milliseconds(60))
        #expect(script.paths.isInDoubt)
        script.perform { paths, now, _ in paths.closed(PathScript.second, at: now) }
        script.run(for: .seconds(2))
        #expect(script.paths.current == PathScript.first && script.paths.isInDoubt)
    }

    @Test mutating func `pings that are under way to many others leave room for those along the path in use`() throws {
        settle(on: PathScript.first, with: [PathScript.second])
        let endpoints = (1...16).map { Endpoint(.v4(IPv4Address(198, 18, 7, UInt8($0))), port: 1) }
        // Packets come along another path, so that only late pings tell.
        for round in 0..<60 {
            if round == 40 { script.delays[PathScript.first] = nil }
            script.perform { $0.probe(endpoints, at: $1, using: &$2) }
            script.run(for: .milliseconds(50))
        }
        script.run(for: .seconds(1))
        #expect(script.paths.current == PathScript.second)
    }

    @Test mutating func `a path that is cut gives way to the circuit, and is taken back`() {
        settle(on: PathScript.home, with: [PathScript.first])
        script.paths.setCandidates([PathScript.homeEndpoint], at: script.now)
        let death = script.elapsed
        script.delays[PathScript.home] = nil
        script.run(for: .seconds(10))
        #expect(script.uses.last.map { $0.path == PathScript.first && $0.at - death < .milliseconds(700) } == true)
        script.delays[PathScript.home] = .milliseconds(40)
        script.run(for: .seconds(40))
        #expect(script.uses.last?.path == PathScript.home)
        #expect(script.uses.count == 3)
    }

    @Test mutating func `packets in one direction only raise no doubt`() {
        script.isOneWay = true
        settle(on: PathScript.first, with: [PathScript.second], roundTrip: .milliseconds(90))
        let before = script.pings.count
        script.run(for: .seconds(10))
        #expect(script.duplications.isEmpty)
        #expect(script.pings.count - before <= 120, "pings: \(script.pings.count - before)")
    }

    @Test mutating func `a dead path is found out though the peer is heard along another`() throws {
        settle(on: PathScript.first, with: [PathScript.second])
        // The peer's packets still come: nothing is ever silent.
        script.hasTraffic = false
        let death = script.elapsed
        script.delays[PathScript.first] = nil
        script.run(for: .seconds(4))
        let duplicated = try #require(script.duplications.first)
        #expect(duplicated.at - death <= .milliseconds(1500))
        #expect(script.paths.current == PathScript.second)
    }

    @Test mutating func `when both relays die, others are sought and the third is taken`() throws {
        settle(on: PathScript.first, with: [PathScript.second])
        let death = script.elapsed
        script.delays = [PathScript.third: .milliseconds(40)]
        script.run(for: .milliseconds(600))
        let sought = script.facts.compactMap { if case .sought(let at) = $0, at > death { at } else { nil } }
        #expect(try #require(sought.first) - death <= .milliseconds(500))
        let now = script.now
        script.paths.add(PathScript.third, through: PathScript.relay(3), at: now)
        script.run(for: .milliseconds(400))
        #expect(script.paths.current == PathScript.third || script.paths.duplicate == PathScript.third)
        script.run(for: .seconds(1))
        #expect(script.paths.current == PathScript.third)
    }

    @Test mutating func `a peer that is gone is given up after a while, with few pings`() {
        settle(on: PathScript.first, with: [PathScript.second])
        let death = script.elapsed
        script.delays = [:]
        script.run(for: .seconds(8))
        #expect(script.paths.current == nil)
        #expect(script.uses.last.map { $0.at - death <= .milliseconds(5500) } == true)
        #expect(script.pingCount(since: death) < 100)
    }

    @Test mutating func `the peer's doubt makes us send along both paths, and does not echo`() {
        settle(on: PathScript.first, with: [PathScript.second])
        script.perform { $0.peerDoubts(along: PathScript.second, at: $1, using: &$2) }
        #expect(script.paths.duplicate == PathScript.second)
        script.run(for: .milliseconds(200))
        #expect(script.paths.duplicate == nil)
        #expect(script.pings.allSatisfy { !$0.inDoubt })
    }

    @Test mutating func `a change of network is doubt at once, and the peer is told`() {
        settle(on: PathScript.first, with: [PathScript.second])
        script.perform { $0.networkChanged(at: $1, using: &$2) }
        #expect(script.paths.duplicate == PathScript.second)
        #expect(script.pings.last?.inDoubt == true)
        script.run(for: .milliseconds(100))
        #expect(script.paths.duplicate == nil && script.paths.current == PathScript.first)
    }

    @Test(arguments: 1...6) func `loss on all paths alike moves little`(_ seed: Int) {
        var script = PathScript(seed: UInt64(seed))
        script.delays = [PathScript.first: .milliseconds(40), PathScript.second: .milliseconds(40)]
        script.lossPercent = [PathScript.first: 5, PathScript.second: 5]
        script.begin(on: PathScript.first, with: [PathScript.second])
        script.run(for: .seconds(300))
        #expect(script.uses.count <= 8, "seed \(seed): \(script.uses)")
        #expect(script.paths.history.counters.duplicated < .seconds(6), "seed \(seed)")
    }
}
