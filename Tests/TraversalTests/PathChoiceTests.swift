import SansIO
import Testing
import Traversal
import Wire

/// Which of several paths is used, and how often that changes.
@Suite struct PathChoiceTests {
    private var script = PathScript()

    @Test(arguments: [PathScript.first, PathScript.second, PathScript.third])
    mutating func `the nearest relay is in use within two seconds`(_ begin: Path) throws {
        script.delays = [
            PathScript.first: .milliseconds(10), PathScript.second: .milliseconds(50),
            PathScript.third: .milliseconds(200),
        ]
        script.begin(on: begin, with: [PathScript.first, PathScript.second, PathScript.third].filter { $0 != begin })
        script.run(for: .seconds(2))
        #expect(script.paths.current == PathScript.first)
        #expect(script.paths.standby == PathScript.second)
        script.run(for: .seconds(60))
        #expect(script.uses.count <= 2)
    }

    @Test(arguments: 1...5) func `delays that are swapped move it once, in five seconds`(_ seed: Int) throws {
        var script = PathScript(seed: UInt64(seed))
        script.jitter = .milliseconds(3)
        script.delays = [
            PathScript.first: .milliseconds(10), PathScript.second: .milliseconds(50),
            PathScript.third: .milliseconds(200),
        ]
        script.begin(on: PathScript.first, with: [PathScript.second, PathScript.third])
        script.run(for: .seconds(5))
        for round in 1...8 {
            let moves = script.uses.count
            let (fast, slow) =
                round % 2 == 1 ? (PathScript.third, PathScript.first) : (PathScript.first, PathScript.third)
            script.delays[fast] = .milliseconds(10)
            script.delays[slow] = .milliseconds(200)
            let swap = script.elapsed
            script.run(for: .seconds(5))
            #expect(script.paths.current == fast, "seed \(seed), round \(round): \(script.uses)")
            #expect(script.uses.last.map { $0.at - swap <= .seconds(3) } == true, "seed \(seed): \(script.uses)")
            #expect(script.uses.count == moves + 1, "seed \(seed), round \(round): \(script.uses)")
            script.run(for: .seconds(10))
        }
    }

    @Test(arguments: 1...20) func `a swap is one move even when pings are lost meanwhile`(_ seed: Int) {
        var script = PathScript(seed: UInt64(seed))
        script.packetInterval = .milliseconds(5)
        script.jitter = .milliseconds(5)
        script.delays = [
            PathScript.first: .milliseconds(10), PathScript.second: .milliseconds(50),
            PathScript.third: .milliseconds(200),
        ]
        script.begin(on: PathScript.first, with: [PathScript.second, PathScript.third])
        script.run(for: .seconds(10))
        script.lossPercent = [PathScript.first: 5, PathScript.second: 5, PathScript.third: 5]
        script.delays[PathScript.third] = .milliseconds(10)
        script.delays[PathScript.first] = .milliseconds(200)
        script.run(for: .seconds(6))
        #expect(script.paths.current == PathScript.third, "seed \(seed): \(script.uses) \(script.paths.report)")
        #expect(script.uses.count == 2, "seed \(seed): \(script.uses)")
    }

    @Test(arguments: 1...6) func `jitter never makes it swing`(_ seed: Int) {
        var script = PathScript(seed: UInt64(seed))
        script.jitter = .milliseconds(40)
        script.delays = [
            PathScript.first: .milliseconds(30), PathScript.second: .milliseconds(32),
            PathScript.third: .milliseconds(28),
        ]
        script.begin(on: PathScript.first, with: [PathScript.second, PathScript.third])
        script.run(for: .seconds(600))
        #expect(script.uses.count <= 3, "seed \(seed): \(script.uses)")
    }

    @Test(arguments: 1...5) func `a lossy relay is left for a slower one`(_ seed: Int) {
        var script = PathScript(seed: UInt64(seed))
        script.delays = [PathScript.first: .milliseconds(20), PathScript.second: .milliseconds(30)]
        // Lost on the way there or on the way back.
        script.lossPercent[PathScript.first] = 10
        script.packetLossPercent[PathScript.first] = 5
        script.begin(on: PathScript.first, with: [PathScript.second])
        script.run(for: .seconds(60))
        #expect(script.paths.current == PathScript.second, "seed \(seed): \(script.uses) \(script.paths.report)")
        script.run(for: .seconds(240))
        #expect(script.paths.current == PathScript.second, "seed \(seed)")
        #expect(script.uses.count <= 4, "seed \(seed): \(script.uses)")
    }

    @Test(arguments: 1...5) func `a relay that drops a third is left in seconds`(_ seed: Int) {
        var script = PathScript(seed: UInt64(seed))
        script.delays = [PathScript.first: .milliseconds(20), PathScript.second: .milliseconds(60)]
        script.lossPercent[PathScript.first] = 50
        script.packetLossPercent[PathScript.first] = 30
        script.begin(on: PathScript.first, with: [PathScript.second])
        script.run(for: .seconds(15))
        #expect(script.paths.current == PathScript.second, "seed \(seed): \(script.uses) \(script.paths.report)")
    }

    @Test mutating func `a straight path is worth a little delay, not much`() {
        script.delays = [PathScript.home: .milliseconds(60), PathScript.first: .milliseconds(50)]
        script.begin(on: PathScript.home, with: [PathScript.first])
        script.run(for: .seconds(30))
        #expect(script.paths.current == PathScript.home)
        script.delays[PathScript.first] = .milliseconds(20)
        script.run(for: .seconds(20))
        #expect(script.paths.current == PathScript.first)
        #expect(script.uses.count == 2)
    }

    @Test mutating func `datagrams are preferred to a stream, once they pass`() {
        let stream = Path.direct(.link(number: 3, kind: .stream))
        script.delays = [stream: .milliseconds(40)]
        script.begin(on: stream)
        script.paths.setCandidates([PathScript.homeEndpoint], at: script.now)
        script.run(for: .seconds(20))
        #expect(script.paths.current == stream)
        script.delays[PathScript.home] = .milliseconds(40)
        script.run(for: .seconds(7))
        #expect(script.paths.current == PathScript.home)
    }

    @Test mutating func `the standby goes through another relay and another host`() {
        script.delays = [
            PathScript.first: .milliseconds(10), PathScript.second: .milliseconds(15),
            PathScript.third: .milliseconds(90),
        ]
        script.begin(on: PathScript.first)
        let now = script.now
        let sameHost = PeerPaths.Relay(peer: 2, host: PathScript.relay(1).host)
        script.paths.add(PathScript.second, through: sameHost, at: now)
        script.run(for: .seconds(2))
        #expect(script.paths.lacksStandby)
        script.paths.add(PathScript.third, through: PathScript.relay(3), at: script.now)
        script.run(for: .seconds(2))
        #expect(script.paths.standby == PathScript.third)
    }

    @Test(arguments: 1...5) func `traffic has a path two seconds after any fault`(_ seed: Int) {
        var script = PathScript(seed: UInt64(seed))
        var lottery = SeededRandom(seed: UInt64(seed) &* 77)
        let all = [PathScript.home, PathScript.first, PathScript.second, PathScript.third]
        for path in all { script.delays[path] = .milliseconds(Int.random(in: 5...120, using: &lottery)) }
        script.begin(on: PathScript.first, with: [PathScript.second, PathScript.third])
        script.paths.setCandidates([PathScript.homeEndpoint], at: script.now)
        script.run(for: .seconds(5))
        for _ in 0..<20 {
            for path in all {
                let isAlive = Int.random(in: 0..<3, using: &lottery) > 0 || path == PathScript.third
                script.delays[path] = isAlive ? .milliseconds(Int.random(in: 5...120, using: &lottery)) : nil
            }
            script.run(for: .seconds(2))
            let works = [script.paths.current, script.paths.duplicate].contains {
                $0.flatMap { script.delays[$0] } != nil
            }
            #expect(works, "seed \(seed) at \(script.elapsed): \(script.paths.report) with \(script.delays)")
            script.run(for: .milliseconds(Int.random(in: 0...10_000, using: &lottery)))
        }
    }
}
