import ControlAPI
import Lab

/// Which of several relays is chosen, and how soon, as seen by round trips alone.
enum RelayChoice {
    static let trials: [Trial] = [
        Trial(name: "relay-choice") { try chooseAndMove(in: $0, files: $1, into: &$2) },
        Trial(name: "relay-loss") { try preferLossless(in: $0, files: $1, into: &$2) },
    ]

    private static let symmetric = Access(.symmetric)
    /// A path through a relay crosses its line four times there and back: 10, 50 and 200 ms.
    private static let delays: [Duration] = [.microseconds(12_500), .milliseconds(50), .microseconds(2500)]
    /// Between the round trips of the three.
    private static let limits: [Duration] = [.milliseconds(30), .milliseconds(125)]
    /// So many probes in a row, 200 ms, make a choice; fewer are a machine that was busy.
    private static let runLength = 40

    /// Three relays at 50, 200 and 10 ms: until the nearest carries the packets; then the farthest and the nearest swap.
    private static func chooseAndMove(in lab: Lab, files: String, into findings: inout Trial.Findings) throws {
        let duo = try Duo(
            in: lab, files: files, .apart(symmetric, symmetric), siteDelay: .zero, relayDelays: delays)
        try duo.join()
        let meter = try duo.meter()
        try Meter.pause(.seconds(8))
        let swapped = Meter.now
        try duo.relays[1].line.set(delay: delays[2], loss: 0)
        try duo.relays[2].line.set(delay: delays[1], loss: 0)
        try Meter.pause(.seconds(20))
        findings.words["path"] = try duo.path().described
        let recording = try meter.stop()

        let chosen = phases(of: recording, in: recording.begin..<swapped)
        // Each end moves on its own: what one sends takes its way, whatever the other's.
        var moves = 0
        for end in 0...1 {
            let ranks = phases(of: recording, from: end, in: recording.begin..<recording.lastSent)
            moves = max(moves, ranks.count { $0.begin > swapped + .milliseconds(100) })
            let words = ranks.map { "\($0.rank)@\(($0.begin - swapped) / .milliseconds(1))" }
            findings.words[end == 0 ? "way-out" : "way-back"] = words.joined(separator: ",")
        }
        findings.note("choose", chosen.last.flatMap { $0.rank == 0 ? $0.begin - recording.begin : nil })
        // What was on its way when they swapped still arrives as before.
        let after = phases(of: recording, in: swapped + .milliseconds(100)..<recording.lastSent - .milliseconds(400))
        findings.note("move", after.last.flatMap { $0.rank == 0 ? $0.begin - swapped : nil })
        findings.figures["moves"] = Double(moves)
        let window = swapped..<recording.lastSent - .milliseconds(400)
        findings.figures["lost"] = Double(recording.count(.lost, in: window))
        findings.figures["late"] = Double(recording.count(.overtaken, in: window))
    }

    /// Stretches of time in which what took the time of a round trip, or twice that of one way, was of one rank: 0 is the
    /// nearest relay's.
    ///
    /// - Parameter end: who sends what is timed one way; round trips, if `nil`.
    private static func phases(
        of recording: Recording, from end: Int? = nil, in window: Range<Duration>
    ) -> [(rank: Int, begin: Duration)] {
        var phases: [(rank: Int, begin: Duration)] = []
        var candidate: (rank: Int, begin: Duration, count: Int)?
        for probe in recording.ends[end ?? 0].probes where window.contains(probe.sent) {
            guard let time = end == nil ? probe.roundTrip : probe.oneWay.map({ $0 * 2 }) else { continue }
            let rank = limits.firstIndex { time < $0 } ?? limits.count
            if candidate?.rank == rank {
                candidate?.count += 1
            } else {
                candidate = (rank, probe.sent, 1)
            }
            if let candidate, candidate.count == runLength, phases.last?.rank != candidate.rank {
                phases.append((candidate.rank, candidate.begin))
            }
        }
        return phases
    }

    /// Two relays that are alike; then the one in use loses 5 % each way and the other takes 10 ms more there and back.
    private static func preferLossless(in lab: Lab, files: String, into findings: inout Trial.Findings) throws {
        let duo = try Duo(
            in: lab, files: files, .apart(symmetric, symmetric), relayDelays: [Duo.delay, Duo.delay])
        try duo.join()
        let meter = try duo.meter()
        try Meter.pause(Failover.steadyTime)
        guard case .relay(let name) = try duo.path(), let other = duo.relays.first(where: { $0.name != name }),
            let lossy = duo.relays.first(where: { $0.name == name })
        else { throw LabError.unexpected("the path is \(try duo.path().described)") }
        let began = Meter.now
        try other.line.set(delay: Duo.delay + .microseconds(2500), loss: 0)
        // Crossed twice each way.
        try lossy.line.set(delay: Duo.delay, loss: 0.0253)
        try Meter.pause(.seconds(30))
        let path = try duo.path()
        findings.words["path"] = path.described
        findings.words["chosen"] = path == .relay(via: other.name) ? "lossless" : "lossy"
        let recording = try meter.stop()
        let losses = recording.ends.flatMap(\.probes).filter {
            $0.arrived == nil && $0.sent < recording.lastSent - .milliseconds(400)
        }
        findings.note("last-loss", losses.map(\.sent).max().map { $0 - began } ?? .zero)
        let lastSeconds = recording.lastSent - .seconds(5)..<recording.lastSent - .milliseconds(400)
        findings.figures["lost"] = Double(recording.count(.lost, in: lastSeconds))
    }
}
