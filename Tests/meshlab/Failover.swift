import ControlAPI
import Lab

/// What a flow notices when its path fails, and how relays are chosen.
enum Failover {
    static let trials: [Trial] = [
        Trial(name: "relay-killed") { try killRelays(1, of: 2, in: $0, files: $1, into: &$2) },
        Trial(name: "relays-killed") { try killRelays(2, of: 3, in: $0, files: $1, into: &$2) },
        Trial(name: "direct-cut") { lab, files, findings in
            let duo = try joined(.apart(cone, cone), in: lab, files: files)
            try disturb(duo, whenPath: { $0 == .direct }, into: &findings) { () throws(LabError) in
                try lab.core.cut(duo.left.uplink, from: duo.right.uplink)
            }
        },
        Trial(name: "nat-rebound") { lab, files, findings in
            let duo = try joined(.apart(cone, cone), in: lab, files: files)
            try disturb(duo, whenPath: { $0 == .direct }, into: &findings) { () throws(LabError) in
                try duo.left.routers[0].rebind()
            }
        },
        Trial(name: "wan-moved") { lab, files, findings in
            let duo = try joined(.apart(cone, cone), in: lab, files: files)
            try disturb(duo, whenPath: { $0 == .direct }, into: &findings) { () throws(LabError) in
                try duo.left.routers[0].changeAddress()
            }
        },
        Trial(name: "relay-drained") { try drainRelay(in: $0, files: $1, into: &$2) },
        Trial(name: "interface-down") { lab, files, findings in
            let duo = try joined(.apart(cone, cone), in: lab, files: files)
            try interrupt(duo, into: &findings) { () throws(LabError) in
                try duo.left.host.uplink.takeDown()
                try Meter.pause(.seconds(2))
                try duo.left.host.bringUp(duo.left.host.uplink)
            }
        },
        Trial(name: "suspended") { lab, files, findings in
            let duo = try joined(.apart(cone, cone), in: lab, files: files)
            let process = try duo.left.node.processID()
            try interrupt(duo, into: &findings) { () throws(LabError) in
                duo.left.node.suspend(process: process)
                try Meter.pause(.seconds(60))
                duo.left.node.resume(process: process)
            }
        },
        Trial(name: "to-ipv6-alone") { lab, files, findings in
            let dual = Access(.symmetric, hasIPv6: true)
            let duo = try joined(.apart(dual, dual), in: lab, files: files)
            try disturb(duo, whenPath: { $0 == .direct }, into: &findings) { () throws(LabError) in
                try duo.left.host.uplink.loseIPv4()
            }
        },
    ]

    /// The pairs that need a port search, under names of their own: how often one fails takes many runs to tell.
    static let searches = Matrix.natPairs.filter { $0.isSearched }.map { row in
        Trial(name: "search-\(row.name)") { try Matrix.measure(row, in: $0, files: $1, into: &$2) }
    }

    /// Long enough for standbys to be bound and round trips to be known.
    static let steadyTime: Duration = .seconds(5)
    private static let cone = Access(.portRestricted)
    private static let symmetric = Access(.symmetric)
    /// What each end writes into the TCP connection every 5 ms: 80 kB/s.
    static let streamBytes = 400
    private static let recoveryLimit: Duration = .seconds(40)

    static func joined(_ layout: Duo.Layout, relays: Int = 2, in lab: Lab, files: String) throws(LabError) -> Duo {
        let duo = try Duo(
            in: lab, files: files, layout, relayDelays: Array(repeating: Duo.delay, count: relays))
        try duo.join()
        return duo
    }

    // MARK: faults

    /// Two nodes that only a relay joins; it vanishes, and others with it.
    private static func killRelays(
        _ victimCount: Int, of count: Int, in lab: Lab, files: String, into findings: inout Trial.Findings
    ) throws {
        let duo = try joined(.apart(symmetric, symmetric), relays: count, in: lab, files: files)
        let processes = try duo.relays.map { relay throws(LabError) in try relay.node.processID() }
        try disturb(duo, whenPath: { $0 != .direct && $0 != .none }, into: &findings) { () throws(LabError) in
            guard case .relay(let name) = try duo.path(),
                let inUse = duo.relays.firstIndex(where: { $0.name == name })
            else { throw .unexpected("no relay is in use") }
            for offset in 0..<victimCount {
                let victim = (inUse + offset) % count
                try duo.relays[victim].node.vanish(process: processes[victim])
            }
        }
    }

    private static func drainRelay(in lab: Lab, files: String, into findings: inout Trial.Findings) throws {
        let duo = try joined(.apart(symmetric, symmetric), in: lab, files: files)
        guard try duo.relays[0].node.result(of: "relay", "status").succeeded else {
            throw Trial.Skip(reason: "meshctl has no 'relay drain' yet")
        }
        try disturb(duo, whenPath: { $0 != .direct && $0 != .none }, into: &findings) { () throws(LabError) in
            guard case .relay(let name) = try duo.path(), let inUse = duo.relays.first(where: { $0.name == name })
            else { throw .unexpected("no relay is in use") }
            try inUse.node.meshctl("relay", "drain")
        }
    }

    /// Lets probes and a TCP connection flow along a path of the wanted kind, brings about a fault, and notes what they saw.
    private static func disturb(
        _ duo: Duo, whenPath isWanted: (Path) -> Bool, into findings: inout Trial.Findings,
        by fault: () throws(LabError) -> Void
    ) throws {
        // The connection needs a way to begin by; the first probe makes one.
        _ = try duo.left.host.timeToFirstAnswer(from: duo.right.address(), within: 20)
        let meter = try duo.meter(streamBytes: streamBytes)
        guard try duo.waitForPath(within: .seconds(20), isWanted) else {
            throw LabError.unexpected("the path is \(try duo.path().described)")
        }
        try Meter.pause(steadyTime)
        let began = Meter.now
        try fault()
        findings.note("fault", Meter.now - began)
        let recovered = try waitForRecovery(of: meter)
        try Meter.pause(.seconds(1))
        findings.words["path"] = try duo.path().described
        let recording = try meter.stop()
        let window = began - .milliseconds(50)..<recording.lastSent - .milliseconds(200)
        note(recording, in: window, isRecovered: recovered, into: &findings)
    }

    /// The same for a fault that takes its time: what counts begins when it is over.
    private static func interrupt(
        _ duo: Duo, into findings: inout Trial.Findings, by fault: () throws(LabError) -> Void
    ) throws {
        _ = try duo.left.host.timeToFirstAnswer(from: duo.right.address(), within: 20)
        let meter = try duo.meter(streamBytes: streamBytes)
        guard try duo.waitForPath(within: .seconds(20), { $0 == .direct }) else {
            throw LabError.unexpected("the path is \(try duo.path().described)")
        }
        try Meter.pause(steadyTime)
        try fault()
        let over = Meter.now
        let recovered = try waitForRecovery(of: meter)
        try Meter.pause(.seconds(1))
        findings.words["path"] = try duo.path().described
        let recording = try meter.stop()
        note(recording, in: over..<recording.lastSent - .milliseconds(200), isRecovered: recovered, into: &findings)
    }

    static func waitForRecovery(of meter: Meter) throws(LabError) -> Bool {
        do {
            // More than what can still be on its way.
            try meter.waitForAnswers(300, within: recoveryLimit)
            // TCP waits twice as long with each packet that it sends in vain.
            try meter.waitForStream(within: recoveryLimit)
            return true
        } catch LabError.deadline {
            return false
        }
    }

    static func note(
        _ recording: Recording, in window: Range<Duration>, isRecovered: Bool, into findings: inout Trial.Findings
    ) {
        findings.note("gap", recording.longestSilence(in: window))
        findings.note(
            "unanswered",
            max(recording.longestUnanswered(at: 0, in: window), recording.longestUnanswered(at: 1, in: window)))
        findings.note("stall", recording.longestOwnStall(in: window))
        findings.figures["lost"] = Double(recording.count(.lost, in: window))
        findings.figures["late"] = Double(recording.count(.overtaken, in: window))
        findings.figures["twice"] = Double(recording.count(.duplicated, in: window))
        findings.words["recovered"] = isRecovered ? "yes" : "no"
        let flows = recording.ends.compactMap(\.flow)
        guard flows.count == 2 else { return }
        let isWhole = flows.allSatisfy { $0.isOpen && $0.wrongBytes == 0 }
        let advanced = recording.ends.allSatisfy {
            ($0.chunks.last?.arrived ?? .zero) > window.upperBound - .seconds(1)
        }
        findings.words["flow"] = isWhole && advanced ? "kept" : "lost"
        findings.note(
            "flow-stall",
            max(recording.longestStall(ofStreamAt: 0, in: window), recording.longestStall(ofStreamAt: 1, in: window)))
        findings.figures["retransmits"] = Double(flows.map(\.retransmits).reduce(0, +))
    }
}
