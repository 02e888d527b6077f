import SansIO
import Simulator
import Testing

/// Whole runs; a failure names the seed, with which `meshsim` repeats it.
@Suite struct ScenarioTests {
    @Test func `a run repeats bit by bit from its seed, and another seed makes another run`() {
        var scenario = Scenario()
        scenario.nodes = 6
        scenario.flows = 4
        scenario.flowInterval = .seconds(1)
        scenario.settling = .seconds(3)
        scenario.duration = .seconds(30)
        scenario.recovery = .seconds(5)
        scenario.steady = .seconds(3)
        scenario.loss = 0.02
        scenario.jitter = .milliseconds(5)
        scenario.disturbances = [.relays, .rebinding, .clocks, .mischief]
        let first = ScenarioRun(scenario).run()
        let second = ScenarioRun(scenario).run()
        #expect(first.digest == second.digest && first.datagrams == second.datagrams)
        scenario.seed = 2
        let other = ScenarioRun(scenario).run()
        #expect(other.digest != first.digest)
    }

    @Test func `whatever happens to hosts and networks, all who want to talk do a minute later`() {
        var scenario = Scenario()
        scenario.seed = 7
        scenario.nodes = 12
        scenario.impostors = 1
        scenario.flows = 12
        scenario.flowInterval = .seconds(1)
        scenario.duration = .seconds(70)
        scenario.steady = .seconds(30)
        scenario.disturbances = Set(Scenario.Disturbance.allCases)
        let report = ScenarioRun(scenario).run()
        #expect(report.violations == [], "seed \(scenario.seed)")
        #expect(report.hostsTalking == 12 && report.disturbances == 7 && report.hostileCopies > 100)
    }
}
