import Arguments
import Glibc
import SansIO
import Simulator

/// One run's report, one figure a line.
func show(_ report: Report) {
    let counters = report.datagrams
    print("seed \(report.scenario.seed): \(report.isGood ? "good" : "FAILED"), digest \(report.digest.prefix(16))")
    print("  hosts                  \(report.scenario.nodes), \(report.hostsTalking) talk")
    print("  virtual time           \(report.virtualTime.seconds) s, \(report.disturbances) disturbances")
    print(
        "  datagrams              \(counters.sent) sent, \(counters.arrived) arrived, \(counters.lostOnLines) lost on lines, "
            + "\(counters.refusedByGateways) stopped by NATs and firewalls, \(report.hostileCopies) hostile copies")
    print("  requests               \(report.packetsSent) sent, \(report.packetsAnswered) answered")
    print("  pairs                  \(report.directPairs) direct, \(report.relayedPairs) by relay")
    if let delay = report.medianDelay { print("  median answer          after \(delay.seconds * 1000) ms") }
    print("  longest gap at the end \(report.longestGap.seconds) s")
    print("  most path changes      \(report.mostPathChanges) in a minute at the end")
    for violation in report.violations { print("  violated at \(violation)") }
}

func run() -> Int32 {
    let invocation: Invocation
    do {
        invocation = try Parser.parse(Array(CommandLine.arguments.dropFirst()), for: Options.command)
    } catch {
        print("meshsim: \(error)")
        return 64
    }
    if invocation.wantsHelp {
        print(HelpText.text(for: [], of: Options.command), terminator: "")
        return 0
    }
    var scenario = Options.scenario(invocation)
    var failures = 0
    for _ in 0..<(invocation.number("runs") ?? 1) {
        let report = ScenarioRun(scenario).run()
        show(report)
        if !report.isGood { failures += 1 }
        scenario.seed += 1
    }
    return failures == 0 ? 0 : 1
}

exit(run())
