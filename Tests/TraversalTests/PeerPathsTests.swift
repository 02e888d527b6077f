import SansIO
import Testing
import Traversal
import Wire

@Suite struct PeerPathsTests {
    private static let home = Path.direct(Endpoint(.v4(IPv4Address(198, 18, 1, 2)), port: 20007))
    private static let away = Path.direct(Endpoint(.v4(IPv4Address(198, 18, 9, 2)), port: 4242))
    private static let relayed = Path.relayed(circuit: 77)
    private static let candidate = Endpoint(.v4(IPv4Address(198, 18, 1, 2)), port: 20007)

    private var paths = PeerPaths()
    private var random = SeededRandom(seed: 5)

    @Test mutating func `the first path that is heard is used`() {
        let actions = paths.heard(along: Self.relayed, at: .zero, using: &random)
        #expect(actions == [.use(Self.relayed, reason: .firstHeard)])
        #expect(paths.current == Self.relayed)
    }

    @Test mutating func `a relayed session moves to a direct path only when a ping along it is answered`() throws {
        paths.setCandidates([Self.candidate], at: .zero)
        _ = paths.heard(along: Self.relayed, at: .zero, using: &random)
        let probes = paths.advance(to: .zero, using: &random)
        guard case .ping(Self.home, let nonce) = try #require(probes.first) else {
            Issue.record("no probe: \(probes)")
            return
        }
        let later = Instant.zero + .milliseconds(40)
        let wrongNonce = paths.pong(nonce: nonce &+ 1, along: Self.home, at: later)
        let wrongPath = paths.pong(nonce: nonce, along: Self.away, at: later)
        #expect(wrongNonce == [] && wrongPath == [])
        #expect(paths.current == Self.relayed)
        // The mismatched pong used the nonce up; the next round proves the path.
        let next = try #require(paths.nextDeadline)
        guard case .ping(Self.home, let second)? = paths.advance(to: next, using: &random).first else {
            Issue.record("no second probe")
            return
        }
        let proven = paths.pong(nonce: second, along: Self.home, at: next + .milliseconds(40))
        #expect(proven == [.use(Self.home, reason: .provenDirect)])
        #expect(paths.statistics(of: Self.home)?.roundTripTime == .milliseconds(40))
    }

    @Test mutating func `an authenticated packet from a new source moves a direct path, not a relayed one`() {
        _ = paths.heard(along: Self.home, at: .zero, using: &random)
        let roamed = paths.heard(along: Self.away, at: .zero, using: &random)
        #expect(roamed == [.use(Self.away, reason: .roamed)])
        let stillDirect = paths.heard(along: Self.relayed, at: .zero, using: &random)
        #expect(stillDirect == [])
        #expect(paths.current == Self.away)
        #expect(paths.circuit == 77)
    }

    @Test mutating func `a peer whose source changes with every packet is followed once a second`() {
        var moves = 0
        for step in 0..<5000 {
            let source = Path.direct(Endpoint(.v4(IPv4Address(198, 18, 9, 2)), port: UInt16(1024 + step)))
            moves += paths.heard(along: source, at: .zero + .milliseconds(step), using: &random).count
        }
        #expect(moves == 6, "the first path, and one move for each second begun")
        #expect(paths.knownPathCount <= PeerPaths.statisticsLimit)
    }

    @Test mutating func `the path to a stock program, which answers no pings, is neither checked nor given up`() {
        var paths = PeerPaths(answersPings: false)
        _ = paths.heard(along: Self.home, at: .zero, using: &random)
        paths.setInUse(true, at: .zero)
        paths.networkChanged(at: .zero)
        #expect(paths.nextDeadline == nil)
        let roamed = paths.heard(along: Self.away, at: .zero + .seconds(60), using: &random)
        #expect(roamed == [.use(Self.away, reason: .roamed)])
        #expect(paths.nextDeadline == nil)
    }

    @Test mutating func `a direct path in use that stops answering is given up for the circuit`() throws {
        _ = paths.heard(along: Self.relayed, at: .zero, using: &random)
        paths.setCandidates([Self.candidate], at: .zero)
        guard case .ping(_, let nonce)? = paths.advance(to: .zero, using: &random).first else {
            Issue.record("no probe")
            return
        }
        _ = paths.pong(nonce: nonce, along: Self.home, at: .zero + .milliseconds(1))
        paths.setInUse(true, at: .zero + .milliseconds(1))
        var now = Instant.zero
        var actions: [PeerPaths.Action] = []
        while paths.current == Self.home, let deadline = paths.nextDeadline {
            now = deadline
            actions += paths.advance(to: now, using: &random)
        }
        #expect(actions.last == .use(Self.relayed, reason: .unanswered))
        #expect(now - .zero < .seconds(5))
        #expect(actions.count == PeerPaths.missesUntilGivenUp + 1)
    }

    @Test mutating func `an idle peer is left alone`() {
        _ = paths.heard(along: Self.home, at: .zero, using: &random)
        #expect(paths.nextDeadline == nil)
        paths.setInUse(true, at: .zero)
        #expect(paths.nextDeadline == .zero)
        paths.setInUse(false, at: .zero + .seconds(1))
        #expect(paths.nextDeadline == nil)
    }

    @Test mutating func `pings wait longer from round to round, and stay bounded`() {
        paths.setCandidates([Self.candidate], at: .zero)
        _ = paths.heard(along: Self.relayed, at: .zero, using: &random)
        var times: [Instant] = []
        while times.count < 9, let deadline = paths.nextDeadline {
            times.append(deadline)
            _ = paths.advance(to: deadline, using: &random)
        }
        let waits = zip(times.dropFirst(), times).map { $0 - $1 }
        #expect(waits == PeerPaths.probeWaits + [.seconds(30)])
        for _ in 0..<1000 {
            let pings = paths.heard(along: Self.away, at: times.last ?? .zero, using: &random)
            if pings.isEmpty { return }
        }
        Issue.record("pings without bound")
    }

    @Test mutating func `a closed circuit leaves no path when it was the one in use`() {
        _ = paths.heard(along: Self.relayed, at: .zero, using: &random)
        let closed = paths.closed(.relayed(circuit: 77), at: .zero)
        #expect(closed == [.use(nil, reason: .circuitClosed)])
        #expect(paths.current == nil && paths.circuit == nil)
    }

    @Test mutating func `the leading side stays on a path that still answers, and leaves one that does not`() throws {
        paths = PeerPaths(isLeading: true)
        _ = paths.heard(along: Self.home, at: .zero, using: &random)
        let doubt = paths.heard(along: Self.away, at: .zero + .seconds(1), using: &random)
        guard case .ping(Self.home, let nonce)? = doubt.first else {
            Issue.record("no ping: \(doubt)")
            return
        }
        _ = paths.pong(nonce: nonce, along: Self.home, at: .zero + .milliseconds(1040))
        #expect(paths.current == Self.home)
        #expect(paths.nextDeadline == nil)

        let again = paths.heard(along: Self.away, at: .zero + .seconds(2), using: &random)
        #expect(again.count == 1)
        let deadline = try #require(paths.nextDeadline)
        #expect(deadline == Instant.zero + (.seconds(2) + PeerPaths.doubtTime))
        let moved = paths.advance(to: deadline, using: &random)
        #expect(moved == [.use(Self.away, reason: .roamed)])
    }

    @Test mutating func `two sides that chose different paths agree instead of swapping for ever`() {
        var leader = PeerPaths(isLeading: true)
        var follower = PeerPaths(isLeading: false)
        _ = leader.heard(along: Self.home, at: .zero, using: &random)
        _ = follower.heard(along: Self.away, at: .zero, using: &random)
        var now = Instant.zero
        for _ in 0..<20 {
            now = now + .seconds(1)
            let (leaderSends, followerSends) = (leader.current, follower.current)
            if let path = followerSends {
                for case .ping(let path, let nonce) in leader.heard(along: path, at: now, using: &random) {
                    _ = leader.pong(nonce: nonce, along: path, at: now + .milliseconds(20))
                }
            }
            if let path = leaderSends { _ = follower.heard(along: path, at: now, using: &random) }
        }
        #expect(leader.current == Self.home)
        #expect(follower.current == Self.home)
    }
}
