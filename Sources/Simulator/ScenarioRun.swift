import SansIO
import Traversal
import Wire

/// Carries out a scenario.
package final class ScenarioRun {
    private static let disturbanceInterval: Duration = .seconds(10)
    private static let suspensionTime: Duration = .seconds(60)
    private static let mischiefShare = 0.05

    package let scenario: Scenario
    package let simulation: Simulation
    private var settlement = Settlement()
    private var members: [Host] = []
    private var disturbanceCount = 0
    private var cutName: String?

    package init(_ scenario: Scenario) {
        precondition(scenario.nodes >= 2 && !scenario.dwellings.isEmpty)
        self.scenario = scenario
        simulation = Simulation(seed: scenario.seed)
    }

    package func run() -> Report {
        join()
        simulation.run(for: scenario.settling)
        startFlows()
        disturb()
        mend()
        simulation.run(for: scenario.recovery)
        let steadySince = simulation.now
        simulation.run(for: scenario.steady)
        checkFlows(since: steadySince)
        let mostPathChanges = simulation.checkOscillation(
            since: steadySince, limitPerMinute: scenario.pathChangesPerMinute)
        return report(since: steadySince, mostPathChanges: mostPathChanges)
    }

    // MARK: steps

    private func join() {
        simulation.fabric.transit = LineConditions(
            delay: .milliseconds(2), jitter: scenario.jitter, loss: scenario.loss)
        let root = simulation.createMesh("node0", in: settle(.open))
        members = [root]
        setLine(of: root)
        guard let token = simulation.token(from: root) else { preconditionFailure("the creator may invite") }
        for number in 1..<scenario.nodes {
            let dwelling = scenario.dwellings[(number - 1) % scenario.dwellings.count]
            members.append(simulation.join("node\(number)", with: token, in: settle(dwelling)))
            setLine(of: members[number])
            simulation.run(for: scenario.joinInterval)
        }
        // Later by the clock of certificates, which counts seconds.
        if scenario.impostors > 0 { simulation.run(for: .seconds(2)) }
        for number in 0..<scenario.impostors {
            let name = "node\(1 + number % (scenario.nodes - 1))"
            let impostor = simulation.join(name, with: token, in: settle(.open))
            simulation.deny(impostor)
            setLine(of: impostor)
        }
    }

    private func settle(_ dwelling: Dwelling) -> [Place] { settlement.settle(dwelling, in: &simulation.fabric) }

    private func setLine(of host: Host) {
        let range = scenario.lineDelay.lowerBound.nanoseconds...scenario.lineDelay.upperBound.nanoseconds
        let delay = Duration.nanoseconds(Int64.random(in: range, using: &simulation.random))
        simulation.fabric.setConditions(LineConditions(delay: delay), of: .interface(host.interfaces[0]))
    }

    /// Requests between pairs drawn at random; each host appears equally often, in half as many flows as there are hosts once.
    /// Impostors talk to somebody, and somebody to them.
    private func startFlows() {
        let order = members.shuffled(using: &simulation.random)
        for number in 0..<scenario.flows {
            let sender = 2 * number % order.count
            let step = 1 + 2 * number / order.count % (order.count - 1)
            let receiver = (sender + step) % order.count
            simulation.startFlow(.requests, from: order[sender], to: order[receiver], every: scenario.flowInterval)
        }
        for impostor in simulation.hosts[members.count...] {
            guard let member = members.randomElement(using: &simulation.random) else { continue }
            simulation.startFlow(.requests, from: member, to: impostor, every: scenario.flowInterval)
            simulation.startFlow(.requests, from: impostor, to: member, every: scenario.flowInterval)
        }
    }

    /// Flows between those who may talk.
    private var lawfulFlows: [Flow] {
        simulation.flows.filter { $0.sender < members.count && $0.receiver < members.count }
    }

    private func disturb() {
        if scenario.disturbances.contains(.mischief) {
            simulation.mischief = Mischief(share: Self.mischiefShare, seed: simulation.random.next())
        }
        let kinds = Scenario.Disturbance.allCases.filter { $0 != .mischief && scenario.disturbances.contains($0) }
        let end = simulation.now + scenario.duration
        var next = 0
        while simulation.now < end {
            if !kinds.isEmpty {
                begin(kinds[next % kinds.count])
                next += 1
                disturbanceCount += 1
            }
            simulation.run(for: min(Self.disturbanceInterval, end - simulation.now))
        }
    }

    private func begin(_ disturbance: Scenario.Disturbance) {
        switch disturbance {
        case .churn:
            for host in some(of: running.dropFirst(), atMost: 1 + scenario.nodes / 20) { die(host) }
        case .relays:
            let carriers = running.sorted { ($1.forwardedCount, $0.index) < ($0.forwardedCount, $1.index) }
            for host in carriers.prefix(2) where running.count > 3 { die(host) }
        case .partition: partition()
        case .rebinding:
            for gateway in some(of: settlement.gateways[...], atMost: 3) where simulation.fabric.isTranslating(gateway)
            {
                if simulation.fabric.isOnInternet(gateway), Bool.random(using: &simulation.random) {
                    simulation.fabric.setAddress(settlement.takeAddress(), of: gateway)
                } else {
                    simulation.fabric.rebind(gateway)
                }
            }
        case .suspension:
            for host in some(of: running.dropFirst(), atMost: 2) {
                simulation.suspend(host)
                simulation.after(Self.suspensionTime) { $0.resume(host) }
            }
        case .clocks:
            for host in some(of: running, atMost: 3) {
                let seconds = Int.random(in: -7200...7200, using: &simulation.random)
                simulation.jumpClock(of: host, by: .seconds(seconds))
            }
        case .mischief: break
        }
    }

    private func die(_ host: Host) {
        simulation.kill(host)
        let pause = Duration.seconds(Int.random(in: 5...40, using: &simulation.random))
        simulation.after(pause) { if host.condition == .dead { $0.restart(host) } }
    }

    /// Parts a third of the sites from the rest for as long as two disturbances take; one partition at a time.
    private func partition() {
        guard cutName == nil else { return }
        let edges = simulation.hosts.compactMap { simulation.fabric.edge(of: $0.interfaces[0]) }
        let apart = Set(edges.indices.filter { $0 % 3 == 1 }.map { edges[$0] })
        let name = "partition \(disturbanceCount)"
        cutName = name
        simulation.fabric.partition(name, apart)
        simulation.after(Self.disturbanceInterval + Self.disturbanceInterval) { [weak self] simulation in
            simulation.fabric.heal(name)
            self?.cutName = nil
        }
    }

    private func mend() {
        if let cutName { simulation.fabric.heal(cutName) }
        simulation.mischief?.share = 0
        for host in simulation.hosts {
            simulation.resume(host)
            if host.condition == .dead { simulation.restart(host) }
        }
    }

    private var running: [Host] { simulation.hosts.filter { $0.condition == .running } }

    private func some<Element>(of elements: ArraySlice<Element>, atMost limit: Int) -> [Element] {
        let count = Int.random(in: 1...max(1, limit), using: &simulation.random)
        return Array(elements.shuffled(using: &simulation.random).prefix(count))
    }

    private func some(of hosts: [Host], atMost limit: Int) -> [Host] { some(of: hosts[...], atMost: limit) }

    // MARK: judging

    /// Every pair that wants to talk must have got answers in the steady part.
    private func checkFlows(since start: Instant) {
        for flow in lawfulFlows {
            let sent = flow.probes.filter { $0.sentAt >= start }
            let answered = sent.count { $0.deliveredAt != nil }
            // On lossy lines some are missing; half of them says that there is a path.
            guard answered * 2 < sent.count else { continue }
            let (sender, receiver) = (simulation.hosts[flow.sender].name, simulation.hosts[flow.receiver].name)
            simulation.report(.unreachable, "\(sender) to \(receiver): \(answered) of \(sent.count) answered")
        }
    }

    private func report(since start: Instant, mostPathChanges: Int) -> Report {
        let flows = lawfulFlows
        let talking = flows.filter { flow in
            flow.probes.contains { $0.sentAt >= start && $0.deliveredAt != nil }
        }
        let delays = flows.flatMap(\.delays).sorted()
        let pairs = flows.compactMap { flow in
            simulation.path(from: simulation.hosts[flow.sender], to: simulation.hosts[flow.receiver])
        }
        return Report(
            scenario: scenario, digest: simulation.digest.description, violations: simulation.violations,
            virtualTime: simulation.now - Simulation.start, datagrams: simulation.fabric.counters,
            hostsTalking: Set(talking.flatMap { [$0.sender, $0.receiver] }).count,
            packetsSent: flows.reduce(0) { $0 + $1.sent }, packetsAnswered: flows.reduce(0) { $0 + $1.delivered },
            longestGap: flows.map { $0.longestGap(in: start...simulation.now) }.max() ?? .zero,
            medianDelay: delays.isEmpty ? nil : delays[delays.count / 2],
            directPairs: pairs.count { $0.isDirect }, relayedPairs: pairs.count { !$0.isDirect },
            mostPathChanges: mostPathChanges, disturbances: disturbanceCount,
            hostileCopies: simulation.mischief?.copies ?? 0)
    }
}
