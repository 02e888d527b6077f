import SansIO
import Simulator
import Testing
import Traversal
import Wire

/// Both sides of a port search, each behind its NAT, 20 ms apart; what they say to each other takes 40 ms by a relay.
private struct SearchTrial {
    enum Event {
        case word(SearchMessage, to: PortSearch.Role)
        case ping(from: Endpoint, to: Endpoint)
    }

    private static let oneWay: Duration = .milliseconds(20)
    private static let overRelay: Duration = .milliseconds(40)
    private static let cone = Endpoint("192.168.1.2:20007")!
    private static let openerHost = IPAddress("192.168.2.2")!

    private var opener: PortSearch
    private var prober: PortSearch?
    private var openerNAT: NATBox
    private var proberNAT: NATBox
    /// Where the prober's packets come from.
    private let proberOutside: Endpoint
    private var random: SeededRandom
    private var events = EventQueue<Event>()
    private var sockets: [Endpoint] = []
    private var lossPercent: Int
    private let start = Instant.zero + .seconds(1)
    private(set) var probesPerSecond: [Int: Int] = [:]
    private(set) var probed: [UInt16] = []
    private(set) var foundAfter: Duration?

    init(_ behavior: NATBehavior, allocation: PortAllocation, seed: UInt64, lossPercent: Int = 0) {
        random = SeededRandom(seed: seed)
        openerNAT = NATBox(behavior, address: IPAddress("198.18.2.2")!, seed: random.next())
        proberNAT = NATBox(.portRestricted, address: IPAddress("198.18.3.2")!, seed: random.next())
        proberOutside = proberNAT.outbound(from: Self.cone, to: Endpoint("198.18.1.2:20007")!, at: start)!
        self.lossPercent = lossPercent
        // What happens to be open already, and shows where the NAT counts.
        let last = openerNAT.outbound(
            from: Endpoint(Self.openerHost, port: 20007), to: Endpoint("198.18.1.2:1")!, at: start)!
        var hint = allocation
        if case .sequential(_, let stride) = allocation { hint = .sequential(last: last.port, stride: stride) }
        let (search, actions) = PortSearch.offer(run: 7, allocation: hint, at: start)
        opener = search
        carryOut(actions, of: .opener, at: start)
        carryOut(opener.attested(at: start, using: &random), of: .opener, at: start)
    }

    /// Lets the search go on to its end.
    mutating func run() {
        var now = start
        while foundAfter == nil {
            let due = [opener.nextDeadline, prober?.nextDeadline, events.earliest].compactMap { $0 }.min()
            guard let due, due < start + .seconds(30) else { return }
            now = max(now, due)
            while let event = events.popFirst(dueAt: now) { happen(event, at: now) }
            if (opener.nextDeadline ?? .distantFuture) <= now {
                carryOut(opener.advance(to: now), of: .opener, at: now)
            }
            if let deadline = prober?.nextDeadline, deadline <= now {
                carryOut(prober?.advance(to: now) ?? [], of: .prober, at: now)
            }
        }
    }

    private mutating func happen(_ event: Event, at now: Instant) {
        switch event {
        case .word(.offer(let run, let allocation), to: .prober):
            prober = prober ?? .answer(run: run, allocation: allocation, at: now)
            carryOut(prober?.attested(at: now, using: &random) ?? [], of: .prober, at: now)
        case .word(let message, to: .prober):
            carryOut(prober?.receive(message, at: now, using: &random) ?? [], of: .prober, at: now)
        case .word(let message, to: .opener):
            carryOut(opener.receive(message, at: now, using: &random), of: .opener, at: now)
        case .ping(from: let source, to: let target):
            guard let socket = openerNAT.inbound(to: target, from: source, at: now), sockets.contains(socket) else {
                return
            }
            // The pong, from the same socket.
            guard let outside = openerNAT.outbound(from: socket, to: source, at: now),
                proberNAT.inbound(to: source, from: outside, at: now) == Self.cone
            else { return }
            foundAfter = now - start
            carryOut(opener.heard(at: now), of: .opener, at: now)
        }
    }

    private mutating func carryOut(_ actions: [PortSearch.Action], of role: PortSearch.Role, at now: Instant) {
        for action in actions {
            switch action {
            case .tell(let message):
                events.add(.word(message, to: role == .opener ? .prober : .opener), at: now + Self.overRelay)
            case .openSockets(let count):
                for _ in 0..<count {
                    let socket = Endpoint(Self.openerHost, port: UInt16(30_000 + sockets.count))
                    sockets.append(socket)
                    if !isLost { _ = openerNAT.outbound(from: socket, to: proberOutside, at: now) }
                }
            case .pingFromSockets:
                for socket in sockets where !isLost {
                    _ = openerNAT.outbound(from: socket, to: proberOutside, at: now)
                }
            case .probe(let port):
                probed.append(port)
                probesPerSecond[Int((now - start).seconds), default: 0] += 1
                let target = Endpoint(IPAddress("198.18.2.2")!, port: port)
                guard let source = proberNAT.outbound(from: Self.cone, to: target, at: now), !isLost else { continue }
                events.add(.ping(from: source, to: target), at: now + Self.oneWay)
            case .ended: break
            }
        }
    }

    private var isLost: Bool {
        mutating get { Int.random(in: 0..<100, using: &random) < lossPercent }
    }

    var socketCount: Int { sockets.count }
}

@Suite struct PortSearchTests {
    /// Finds, and the times they took, of many searches with seeds of their own.
    private func trials(
        _ count: Int, _ behavior: NATBehavior, _ allocation: PortAllocation, lossPercent: Int = 0
    ) -> [Duration] {
        (1...UInt64(count)).compactMap { seed in
            var trial = SearchTrial(behavior, allocation: allocation, seed: seed, lossPercent: lossPercent)
            trial.run()
            return trial.foundAfter
        }
    }

    @Test func `of a thousand searches among all ports 99 in 100 are over within 15 seconds`() {
        let found = trials(1000, .symmetric, .any)
        #expect(found.count(where: { $0 <= .seconds(15) }) >= 990)
        let median = found.sorted()[found.count / 2]
        #expect(median < .seconds(2), "half are over after 174 probes: \(median)")
    }

    @Test func `a block of ports takes a quarter of the sockets and a second or two`() {
        var behavior = NATBehavior.symmetric
        behavior.ports = 20_480...22_527
        let found = trials(200, behavior, .block(20_480...22_527))
        #expect(found.count == 200)
        #expect(found.sorted()[197] <= .seconds(3))
    }

    @Test func `a wrong guess of the block costs time, not the success`() {
        let found = trials(100, .symmetric, .block(1024...1535))
        #expect(found.count >= 40, "64 sockets among all ports, after a thousand probes in vain")
    }

    @Test func `ports in a row are found at once`() {
        let found = trials(200, .predictable, .sequential(last: 0, stride: 1))
        #expect(found.count == 200)
        #expect(found.allSatisfy { $0 <= .seconds(2) })
    }

    @Test func `a tenth of the packets lost changes little`() {
        let found = trials(300, .symmetric, .any, lossPercent: 10)
        #expect(found.count(where: { $0 <= .seconds(15) }) >= 294)
    }

    @Test func `no second has more probes than are polite, no port is probed twice, no more sockets than allowed`() {
        // A NAT in whose way every probe ends.
        var trial = SearchTrial(.symmetric, allocation: .any, seed: 5, lossPercent: 100)
        trial.run()
        #expect(trial.foundAfter == nil)
        #expect(trial.probed.count == PortSearch.probeLimit)
        #expect(Set(trial.probed).count == trial.probed.count)
        #expect(trial.probesPerSecond.values.allSatisfy { $0 <= PortSearch.probeRate + 4 })
        #expect(trial.socketCount == PortSearch.socketLimit)
    }
}
