import SansIO
import Testing
import Traversal

/// Loss that packets show before pings do.
@Suite struct TrafficLossTests {
    private func script(_ seed: Int, every interval: Duration = .milliseconds(5)) -> PathScript {
        var script = PathScript(seed: UInt64(seed))
        script.packetInterval = interval
        script.jitter = .milliseconds(4)
        script.delays = [PathScript.first: .milliseconds(80), PathScript.second: .milliseconds(90)]
        script.begin(on: PathScript.first, with: [PathScript.second])
        script.run(for: .seconds(10))
        #expect(script.uses.count == 1)
        return script
    }

    /// Five in a hundred packets on the way there; of pings also on the way back.
    private func lose(on path: Path, _ script: inout PathScript) {
        script.packetLossPercent[path] = 5
        script.lossPercent[path] = 10
    }

    @Test(arguments: 1...6) func `with 200 packets a second a lossy path is left for a slower one in ten seconds`(
        _ seed: Int
    ) throws {
        var script = script(seed)
        let began = script.elapsed
        lose(on: PathScript.first, &script)
        script.run(for: .seconds(10))
        let moved = try #require(script.uses.last)
        #expect(moved.path == PathScript.second, "seed \(seed): \(script.paths.report)")
        #expect(moved.at - began <= .seconds(10), "seed \(seed)")
        script.run(for: .seconds(60))
        #expect(script.paths.current == PathScript.second, "seed \(seed)")
        #expect(script.uses.count <= 4, "seed \(seed): \(script.uses)")
    }

    @Test(arguments: 1...5) func `another circuit through the same relay is no way out`(_ seed: Int) {
        var script = script(seed)
        script.delays[PathScript.third] = .milliseconds(80)
        script.paths.add(PathScript.third, through: PathScript.relay(1), at: script.now)
        script.run(for: .seconds(10))
        lose(on: PathScript.first, &script)
        lose(on: PathScript.third, &script)
        script.run(for: .seconds(10))
        #expect(script.uses.map(\.path) == [PathScript.first, PathScript.second], "seed \(seed): \(script.uses)")
    }

    @Test func `half of the lossy paths are left within five seconds`() {
        let times = (1...11).map { seed in
            var script = script(seed)
            let began = script.elapsed
            lose(on: PathScript.first, &script)
            script.run(for: .seconds(10))
            return (script.uses.last?.at ?? .seconds(3600)) - began
        }
        #expect(times.sorted()[5] <= .seconds(5), "\(times.sorted())")
    }

    @Test(arguments: 1...5) func `with ten packets a second it takes longer, with pings to help`(_ seed: Int) {
        var script = script(seed, every: .milliseconds(100))
        lose(on: PathScript.first, &script)
        script.run(for: .seconds(60))
        #expect(script.paths.current == PathScript.second, "seed \(seed): \(script.uses) \(script.paths.report)")
    }

    @Test(arguments: [0.0, 0.8], 1...2) func `what TCP loses of its own doing moves nothing`(
        _ percent: Double, _ seed: Int
    ) {
        var script = script(seed)
        script.packetLossPercent = [PathScript.first: percent, PathScript.second: percent]
        script.run(for: .seconds(60))
        #expect(script.uses.count == 1, "seed \(seed): \(script.uses)")
        #expect(script.duplications.isEmpty, "seed \(seed)")
    }

    @Test(arguments: 1...3) func `a loss on both paths alike is no reason to move to and fro`(_ seed: Int) {
        var script = script(seed)
        lose(on: PathScript.first, &script)
        lose(on: PathScript.second, &script)
        script.run(for: .seconds(120))
        #expect(script.uses.count <= 4, "seed \(seed): \(script.uses)")
    }

    @Test func `one burst of losses is no rate`() {
        var script = script(1)
        for _ in 0..<4 {
            script.packetLossPercent[PathScript.first] = 60
            script.run(for: .milliseconds(100))
            script.packetLossPercent[PathScript.first] = 0
            script.run(for: .seconds(15))
        }
        #expect(script.uses.count == 1, "\(script.uses)")
    }

    @Test func `a peer that starts to count anew has lost nothing`() {
        var script = script(2)
        script.forgetArrived()
        script.run(for: .seconds(30))
        #expect(script.uses.count == 1)
        #expect(script.paths.statistics(of: PathScript.first)?.loss == 0)
    }

    @Test func `the loss that is shown is that of packets`() throws {
        var script = script(3)
        script.delays[PathScript.second] = nil
        script.packetLossPercent[PathScript.first] = 20
        script.run(for: .seconds(12))
        let loss = try #require(script.paths.statistics(of: PathScript.first)).loss
        #expect((0.15...0.25).contains(loss), "\(loss)")
    }
}
