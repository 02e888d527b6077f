import SansIO
import Testing
import Traversal
import Wire

/// One side's paths, with a script for a peer: which path answers a ping, after how long.
struct PathScript {
    static let home = Path.direct(Endpoint(.v4(IPv4Address(198, 18, 1, 2)), port: 20007))
    static let away = Path.direct(Endpoint(.v4(IPv4Address(198, 18, 9, 2)), port: 4242))
    static let first = Path.relayed(circuit: 1)
    static let second = Path.relayed(circuit: 2)
    static let third = Path.relayed(circuit: 3)
    static let homeEndpoint = Endpoint(.v4(IPv4Address(198, 18, 1, 2)), port: 20007)

    enum Fact: Equatable {
        case used(Path?, PeerPaths.Reason, at: Duration)
        case duplicated(Path?, at: Duration)
        case sought(at: Duration)
    }

    var paths = PeerPaths()
    var random: SeededRandom
    var now = Instant.zero + .seconds(1000)
    let start = Instant.zero + .seconds(1000)
    /// Round trips; a path that has none does not answer.
    var delays: [Path: Duration] = [:]
    /// Of pings, on the way there or on the way back.
    var lossPercent: [Path: Int] = [:]
    /// Of packets, on the way there.
    var packetLossPercent: [Path: Double] = [:]
    /// Added at random.
    var jitter: Duration = .zero
    /// Whether packets flow in both directions, or only from here, or only to here.
    var hasTraffic = true
    var isOneWay = false
    var isOnlyHeard = false
    var packetInterval: Duration = .milliseconds(20)
    private(set) var facts: [Fact] = []
    private(set) var pings: [(at: Instant, path: Path, inDoubt: Bool)] = []
    private var pongs: [(at: Instant, path: Path, nonce: UInt64, arrived: UInt32)] = []
    private var traffic = PeerPaths.Traffic()
    /// Packets that have come to the peer.
    private var arrived: UInt32 = .max - 100
    private var nextPacket = Instant.zero
    private var wasDuplicate: Path?

    init(seed: UInt64 = 5) { random = SeededRandom(seed: seed) }

    static func relay(_ number: Int) -> PeerPaths.Relay {
        PeerPaths.Relay(peer: number, host: .v4(IPv4Address(198, 18, 100, UInt8(number))))
    }

    var elapsed: Duration { now - start }

    mutating func perform(_ body: (inout PeerPaths, Instant, inout SeededRandom) -> [PeerPaths.Action]) {
        let actions = body(&paths, now, &random)
        for action in actions {
            switch action {
            case .ping(let path, let nonce, let inDoubt):
                pings.append((now, path, inDoubt))
                guard let delay = delays[path], Int.random(in: 0..<100, using: &random) >= lossPercent[path, default: 0]
                else { continue }
                let extra = Duration.nanoseconds(Int64.random(in: 0...jitter.nanoseconds, using: &random))
                pongs.append((now + delay + extra, path, nonce, arrived))
            case .use(let path, let reason):
                facts.append(.used(path, reason, at: elapsed))
                hear()
            case .seek: facts.append(.sought(at: elapsed))
            case .update: break
            }
        }
        if paths.duplicate != wasDuplicate {
            wasDuplicate = paths.duplicate
            facts.append(.duplicated(wasDuplicate, at: elapsed))
        }
    }

    /// Lets time pass.
    mutating func run(for duration: Duration) {
        let end = now + duration
        while now < end {
            nextPacket = max(nextPacket, now)
            let events = [paths.nextDeadline, pongs.map(\.at).min(), hasTraffic ? nextPacket : nil].compactMap { $0 }
            now = max(now, min(events.min() ?? end, end))
            exchangePackets()
            let due = pongs.filter { $0.at <= now }
            pongs.removeAll { $0.at <= now }
            for pong in due {
                if pong.path == paths.current { hear() }
                perform {
                    $0.pong(nonce: pong.nonce, along: pong.path, arrived: pong.arrived, at: $1, using: &$2)
                }
            }
            paths.observe(traffic, at: now)
            for _ in 0..<3 where paths.dueNext.map({ $0 <= now }) ?? false {
                perform { $0.advance(to: $1, using: &$2) }
            }
            if let due = paths.dueNext, due <= now { Issue.record("work left at \(elapsed): \(paths.report)") }
        }
    }

    /// A packet goes each way in its time; the peer's come in as long as a path that it would use answers.
    private mutating func exchangePackets() {
        guard hasTraffic, now >= nextPacket else { return }
        nextPacket = now + packetInterval
        let ways = [paths.current, paths.duplicate].compactMap { $0 }.filter { delays[$0] != nil }
        if !isOnlyHeard {
            traffic.lastPacket = now
            traffic.silentSince = traffic.silentSince ?? now
            traffic.packetsSent += 1
            let comes = ways.map { Double.random(in: 0..<100, using: &random) >= packetLossPercent[$0, default: 0] }
            if comes.contains(true) { arrived &+= 1 }
        }
        if !isOneWay, !ways.isEmpty {
            traffic.lastPacket = now
            traffic.packetsReceived += 1
            hear()
        }
    }

    /// Nothing comes along a path any more, not even what is under way.
    mutating func cut(_ path: Path) {
        delays[path] = nil
        pongs.removeAll { $0.path == path }
    }

    /// The peer starts anew and counts from zero.
    mutating func forgetArrived() { arrived = 0 }

    private mutating func hear() {
        traffic.silentSince = nil
    }

    var uses: [(path: Path?, reason: PeerPaths.Reason, at: Duration)] {
        facts.compactMap { if case .used(let path, let reason, let at) = $0 { (path, reason, at) } else { nil } }
    }

    var duplications: [(path: Path?, at: Duration)] {
        facts.compactMap { if case .duplicated(let path, let at) = $0 { (path, at) } else { nil } }
    }

    func pingCount(since: Duration, along path: Path? = nil) -> Int {
        pings.count { $0.at >= start + since && (path == nil || $0.path == path) }
    }

    /// A session that uses `current` and knows the others as circuits through relays 1, 2, 3.
    mutating func begin(on current: Path, with others: [Path] = []) {
        perform { $0.heard(along: current, through: Self.relay(of: current), at: $1, using: &$2) }
        for path in others {
            let instant = now
            paths.add(path, through: Self.relay(of: path), at: instant)
        }
    }

    static func relay(of path: Path) -> PeerPaths.Relay? {
        if case .relayed(let circuit) = path { relay(Int(circuit)) } else { nil }
    }
}
