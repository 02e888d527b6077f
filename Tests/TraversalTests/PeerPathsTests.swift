import SansIO
import Testing
import Traversal
import Wire

@Suite struct PeerPathsTests {
    private var script = PathScript()

    @Test mutating func `the first path that is heard is used`() {
        script.begin(on: PathScript.first)
        #expect(script.uses.map(\.reason) == [.firstHeard])
        #expect(script.paths.current == PathScript.first)
    }

    @Test mutating func `a relayed session moves to a direct path only when a ping along it is answered`() {
        script.delays[PathScript.first] = .milliseconds(80)
        script.begin(on: PathScript.first)
        script.paths.setCandidates([PathScript.homeEndpoint], at: script.now)
        script.run(for: .seconds(2))
        #expect(script.paths.current == PathScript.first)
        #expect(script.pingCount(since: .zero, along: PathScript.home) >= 3)
        script.delays[PathScript.home] = .milliseconds(40)
        script.run(for: .seconds(5))
        #expect(script.uses.map(\.reason) == [.firstHeard, .provenDirect])
        #expect(script.paths.current == PathScript.home)
        #expect(script.paths.statistics(of: PathScript.home)?.roundTripTime == .milliseconds(40))
        #expect(script.paths.standby == PathScript.first)
        #expect(script.duplications.isEmpty)
    }

    @Test mutating func `packets are kept back after a move to a faster path`() throws {
        script.delays = [PathScript.first: .milliseconds(80), PathScript.home: .milliseconds(40)]
        script.begin(on: PathScript.first)
        script.run(for: .seconds(2))
        script.paths.setCandidates([PathScript.homeEndpoint], at: script.now)
        while script.paths.current != PathScript.home, script.elapsed < .seconds(5) {
            script.run(for: .milliseconds(5))
        }
        let hold = try #require(script.paths.holdUntil) - script.now
        // The one sample of the new path may have been late.
        #expect(hold >= .milliseconds(25) && hold <= .milliseconds(45))
    }

    @Test mutating func `a direct path that answers before the relay waits for its answer, so that packets are held`()
        throws
    {
        script.delays = [PathScript.first: .milliseconds(80), PathScript.home: .milliseconds(40)]
        script.begin(on: PathScript.first)
        script.paths.setCandidates([PathScript.homeEndpoint], at: script.now)
        while script.paths.current != PathScript.home, script.elapsed < .seconds(5) {
            script.run(for: .milliseconds(1))
        }
        #expect(script.elapsed >= .milliseconds(80) && script.elapsed <= .milliseconds(90))
        #expect(script.uses.map(\.reason) == [.firstHeard, .provenDirect])
        let hold = try #require(script.paths.holdUntil) - script.now
        #expect(hold >= .milliseconds(25))
    }

    @Test mutating func `a relay that does not answer keeps no packets from the direct path`() {
        script.delays = [PathScript.home: .milliseconds(40)]
        script.begin(on: PathScript.first)
        script.paths.setCandidates([PathScript.homeEndpoint], at: script.now)
        script.run(for: .seconds(1))
        #expect(script.paths.current == PathScript.home)
    }

    @Test mutating func `a pong with a wrong nonce or along a wrong path proves nothing`() {
        script.begin(on: PathScript.first)
        script.paths.setCandidates([PathScript.homeEndpoint], at: script.now)
        let now = script.now
        let probes = script.paths.advance(to: now, using: &script.random)
        guard case .ping(PathScript.home, let nonce, _)? = probes.first(where: { $0.path == PathScript.home }) else {
            Issue.record("no probe: \(probes)")
            return
        }
        let wrongNonce = script.paths.pong(
            nonce: nonce &+ 1, along: PathScript.home, arrived: 0, at: now, using: &script.random)
        let wrongPath = script.paths.pong(
            nonce: nonce, along: PathScript.away, arrived: 0, at: now, using: &script.random)
        #expect(wrongNonce == [] && wrongPath == [])
        #expect(script.paths.current == PathScript.first)
    }

    @Test mutating func `a peer that moves is followed at once, and gets copies where it was`() {
        script.delays[PathScript.home] = .milliseconds(40)
        script.begin(on: PathScript.home)
        script.run(for: .seconds(2))
        script.delays = [PathScript.away: .milliseconds(40)]
        script.perform { $0.heard(along: PathScript.away, at: $1, using: &$2) }
        #expect(script.uses.last?.reason == .roamed)
        #expect(script.paths.current == PathScript.away)
        #expect(script.paths.duplicate == PathScript.home)
        script.run(for: .milliseconds(100))
        #expect(script.paths.duplicate == nil)
        #expect(script.paths.current == PathScript.away)
    }

    @Test mutating func `a replayed packet from a forged endpoint moves the path for a moment only`() {
        script.delays[PathScript.home] = .milliseconds(40)
        script.begin(on: PathScript.home)
        script.run(for: .seconds(2))
        script.perform { $0.heard(along: PathScript.away, at: $1, using: &$2) }
        script.run(for: .milliseconds(500))
        #expect(script.paths.current == PathScript.home)
        #expect(script.paths.duplicate == nil)
    }

    @Test mutating func `a peer whose source changes with every packet is followed once a second`() {
        script.begin(on: PathScript.home)
        for step in 0..<5000 {
            let source = Path.direct(Endpoint(.v4(IPv4Address(198, 18, 9, 2)), port: UInt16(1024 + step)))
            script.now = script.start + .milliseconds(step)
            script.perform { $0.heard(along: source, at: $1, using: &$2) }
        }
        #expect(script.uses.count(where: { $0.reason == .roamed }) <= 6)
        #expect(script.paths.knownPathCount <= PeerPaths.pathLimit)
    }

    @Test mutating func `the path to a stock program, which answers no pings, is neither checked nor given up`() {
        script.paths = PeerPaths(answersPings: false)
        script.begin(on: PathScript.home)
        script.run(for: .seconds(20))
        script.perform { $0.networkChanged(at: $1, using: &$2) }
        #expect(script.pings.isEmpty)
        script.perform { $0.heard(along: PathScript.away, at: $1, using: &$2) }
        #expect(script.uses.map(\.reason) == [.firstHeard, .roamed])
        #expect(script.paths.nextDeadline == nil)
    }

    @Test mutating func `an idle peer is left alone`() {
        script.hasTraffic = false
        script.delays[PathScript.home] = .milliseconds(40)
        script.begin(on: PathScript.home, with: [PathScript.first])
        script.run(for: .seconds(100))
        #expect(script.pings.isEmpty)
        #expect(script.paths.nextDeadline == nil)
    }

    @Test mutating func `pings follow the traffic, along the path in use and the standby`() {
        script.delays = [PathScript.home: .milliseconds(40), PathScript.first: .milliseconds(60)]
        script.begin(on: PathScript.home, with: [PathScript.first])
        script.run(for: .seconds(10))
        let before = script.pings.count
        script.run(for: .seconds(10))
        #expect((24...32).contains(script.pings.count - before))
        script.hasTraffic = false
        script.run(for: .seconds(70))
        let idle = script.pings.count
        script.run(for: .seconds(100))
        #expect(script.pings.count == idle)
    }

    @Test mutating func `probes wait longer from round to round, and stay bounded`() {
        script.begin(on: PathScript.first)
        script.delays[PathScript.first] = .milliseconds(50)
        script.paths.setCandidates([PathScript.homeEndpoint], at: script.now)
        script.run(for: .seconds(40))
        let times = script.pings.filter { $0.path == PathScript.home }.map(\.at)
        let waits = zip(times.dropFirst(), times).map { $0 - $1 }
        #expect(Array(waits.prefix(7)) == PeerPaths.probeWaits)
    }

    @Test mutating func `a closed circuit leaves the standby, or nothing`() {
        script.begin(on: PathScript.first, with: [PathScript.second])
        #expect(script.paths.standby == PathScript.second)
        script.perform { paths, now, _ in paths.closed(PathScript.first, at: now) }
        #expect(script.paths.current == PathScript.second)
        script.perform { paths, now, _ in paths.closed(PathScript.second, at: now) }
        #expect(script.paths.current == nil)
    }

    @Test mutating func `a relay that leaves is left at once, without doubt`() {
        script.delays = [PathScript.first: .milliseconds(40), PathScript.second: .milliseconds(60)]
        script.begin(on: PathScript.first, with: [PathScript.second])
        script.run(for: .seconds(3))
        script.perform { paths, now, _ in paths.leaving(through: 1, at: now) }
        #expect(script.uses.last?.reason == .relayLeaving)
        #expect(script.paths.current == PathScript.second)
        script.run(for: .seconds(20))
        #expect(script.paths.current == PathScript.second)
        #expect(script.duplications.isEmpty)
    }
}

extension PeerPaths.Action {
    var path: Path? {
        switch self {
        case .ping(let path, _, _): path
        case .use(let path, _): path
        case .update, .seek: nil
        }
    }
}
