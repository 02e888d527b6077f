import Arguments
import Simulator

/// What meshsim is told on its command line, as a scenario.
enum Options {
    static let command = Command(
        "meshsim", "simulate a mesh in virtual time and check what must hold",
        discussion: [
            "meshsim lets nodes of KubeMesh, the very code of the agent with real cryptography, run on a network in memory: "
                + "lines with delay, jitter and loss, NATs and firewalls of all kinds. It disturbs them, mends everything, and "
                + "then checks that every pair that wants to talk does, that no path changes again and again, that nothing "
                + "passes to or from who is not admitted, and that relays forward for nobody else.",
            "A run follows from its seed alone. One that fails prints the seed and what was violated, and ends with exit code 1.",
        ],
        options: [
            Option("nodes", short: "n", "so many hosts, 2 to 2000 (default 50)", takes: "COUNT", as: .number(2...2000)),
            Option(
                "impostors", "so many more under names that are taken (default 0)", takes: "COUNT", as: .number(0...100)
            ),
            Option("seed", short: "s", "the run's seed (default 1)", takes: "NUMBER", as: .number(0...Int.max)),
            Option(
                "nat", "where hosts live; 'mix' deals all kinds in turn (default mix)", takes: "KIND",
                as: .choice(["mix"] + Dwelling.allCases.map(\.rawValue))),
            Option(
                "minutes", short: "m", "how long disturbances go on (default 2)", takes: "COUNT", as: .number(0...1440)),
            Option(
                "disturb", "what happens meanwhile; may be given several times (default: everything)", takes: "KIND",
                as: .choice(["nothing", "everything"] + Scenario.Disturbance.allCases.map(\.rawValue)),
                isRepeatable: true),
            Option(
                "flows", "pairs that talk; half as many as hosts are one for each host (default 20)", takes: "COUNT",
                as: .number(0...100_000)),
            Option(
                "interval", "milliseconds between two requests of a pair (default 500)", takes: "MS",
                as: .number(1...60_000)),
            Option(
                "joining", "milliseconds between two hosts that join (default 100)", takes: "MS",
                as: .number(0...60_000)),
            Option(
                "recovery", "seconds from the last disturbance until all must talk (default 60)", takes: "SECONDS",
                as: .number(0...3600)),
            Option(
                "steady", "seconds that are judged at the end (default 60)", takes: "SECONDS", as: .number(1...86_400)),
            Option(
                "loss", "percent of datagrams lost on every line (default 0)", takes: "PERCENT", as: .number(0...90)),
            Option("jitter", "milliseconds by which delays vary (default 0)", takes: "MS", as: .number(0...1000)),
            Option(
                "runs", "so many runs, each with the next seed (default 1)", takes: "COUNT", as: .number(1...100_000)),
        ],
        examples: [
            Command.Example("meshsim --nodes 200 --seed 7 --nat mix --minutes 5", "one large run"),
            Command.Example("meshsim --nodes 20 --disturb relays --runs 50", "relays that die, with fifty seeds"),
        ])

    static func scenario(_ invocation: Invocation) -> Scenario {
        var scenario = Scenario()
        if let nodes = invocation.number("nodes") { scenario.nodes = nodes }
        if let impostors = invocation.number("impostors") { scenario.impostors = impostors }
        if let seed = invocation.number("seed") { scenario.seed = UInt64(seed) }
        if let dwelling = invocation.text("nat").flatMap({ Dwelling(rawValue: $0) }) { scenario.dwellings = [dwelling] }
        if let minutes = invocation.number("minutes") { scenario.duration = .seconds(60 * minutes) }
        if let flows = invocation.number("flows") { scenario.flows = flows }
        if let interval = invocation.number("interval") { scenario.flowInterval = .milliseconds(interval) }
        if let joining = invocation.number("joining") { scenario.joinInterval = .milliseconds(joining) }
        if let recovery = invocation.number("recovery") { scenario.recovery = .seconds(recovery) }
        if let steady = invocation.number("steady") { scenario.steady = .seconds(steady) }
        if let loss = invocation.number("loss") { scenario.loss = Double(loss) / 100 }
        if let jitter = invocation.number("jitter") { scenario.jitter = .milliseconds(jitter) }
        let wanted = invocation.texts("disturb")
        scenario.disturbances =
            wanted.isEmpty || wanted.contains("everything")
            ? Set(Scenario.Disturbance.allCases) : Set(wanted.compactMap { Scenario.Disturbance(rawValue: $0) })
        return scenario
    }
}
