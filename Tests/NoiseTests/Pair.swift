import Crypto
import SansIO
import Testing
import Wire

@testable import Noise

/// Two nodes with one tunnel between them, a link that may lose, delay and repeat, and virtual time.
///
/// Checks on the way what a node relies on: indices are retired once, sessions are installed before they are used.
struct Pair {
    struct Side {
        let key: AgreementKey
        var tunnel: Tunnel
        var door: HandshakeResponder
        var timestamps = TimestampClock()
        var endpoint: Endpoint
        /// Added to the time to make the wall clock.
        var wallOffset = Duration.seconds(1_700_000_000)
        /// Indices that the tunnel has not given back.
        var liveIndices: Set<UInt32> = []
        var installed: Set<UInt32> = []
        var usedIndices: [UInt32] = []
        /// Packets that came out of the tunnel, keepalives left out, padding cut by the length in their first byte.
        var received: [[UInt8]] = []
        var keepalivesReceived = 0
        var errors: [NoiseError] = []
        var drops: [HandshakeResponder.Reason] = []
        var cookieRepliesSent = 0
        var unsent: [[UInt8]] = []
        var failures = 0
    }

    /// A timer fired and did not move.
    struct StuckTimer: Error {
        var at: Instant
    }

    struct Flight {
        var arrivesAt: Instant
        var order: Int
        var destination: Int
        var message: [UInt8]
    }

    struct Link {
        var loss = 0.0
        var duplication = 0.0
        var latency: ClosedRange<Int> = 10...10
        var isCut = false
    }

    var sides: [Side]
    var link = Link()
    /// For each destination, when that way is cut.
    var isCutTo = [false, false]
    var now = Instant.zero
    /// Everything ever sent: destination, message, time.
    private(set) var log: [(destination: Int, message: [UInt8], at: Instant)] = []
    private var flights: [Flight] = []
    private var order = 0
    private var random: SeededRandom

    init(
        seed: UInt64 = 1, limits: [Limits] = [.wireGuard, .wireGuard],
        presharedKeys: [PresharedKeys] = [PresharedKeys(), PresharedKeys()], handshakeRate: Int = 1000
    ) throws {
        var random = SeededRandom(seed: seed)
        let keys = try (0..<2).map { _ in try Self.agreementKey(using: &random) }
        sides = []
        for index in 0..<2 {
            let tunnel = try Tunnel(
                key: keys[index], peer: keys[1 - index].publicKey, presharedKeys: presharedKeys[index],
                limits: limits[index])
            let door = HandshakeResponder(
                key: keys[index], cookieSecret: Secret(Self.bytes(32, using: &random)), handshakeRate: handshakeRate,
                at: .zero)
            let endpoint = Endpoint(.v4(IPv4Address(192, 0, 2, UInt8(index + 1))), port: 51820)
            sides.append(Side(key: keys[index], tunnel: tunnel, door: door, endpoint: endpoint))
        }
        self.random = random
    }

    // MARK: what a test does

    mutating func send(_ packet: [UInt8], from side: Int) {
        carryOut(sides[side].tunnel.send([UInt8(packet.count)] + packet, at: now), on: side)
    }

    mutating func connect(from side: Int) {
        carryOut(sides[side].tunnel.connect(at: now), on: side)
    }

    /// Lets time pass: messages arrive, timers fire.
    mutating func run(until end: Instant) throws {
        while let next = nextEvent, next <= end {
            now = max(now, next)
            if let index = flights.indices.min(by: {
                (flights[$0].arrivesAt, flights[$0].order) < (flights[$1].arrivesAt, flights[$1].order)
            }), flights[index].arrivesAt <= now {
                let flight = flights.remove(at: index)
                try deliver(flight.message, to: flight.destination)
                continue
            }
            for side in sides.indices {
                guard let deadline = sides[side].tunnel.nextDeadline, deadline <= now else { continue }
                carryOut(sides[side].tunnel.advance(to: now), on: side)
                let following = sides[side].tunnel.nextDeadline
                guard following.map({ $0 > now }) ?? true else { throw StuckTimer(at: now) }
            }
        }
        now = max(now, end)
    }

    mutating func run(for duration: Duration) throws { try run(until: now + duration) }

    /// Hands a message to a side as the network would, from the other side's endpoint or another.
    mutating func deliver(_ message: [UInt8], to side: Int, from source: Endpoint? = nil) throws {
        let source = source ?? sides[1 - side].endpoint
        do {
            switch message.first {
            case InitiationMessage.type, ResponseMessage.type:
                switch sides[side].door.examine(message, from: source, at: now) {
                case .accept: try handshake(message, on: side)
                case .reply(let reply):
                    sides[side].cookieRepliesSent += 1
                    transmit(reply, to: 1 - side)
                case .drop(let reason): sides[side].drops.append(reason)
                }
            case CookieReplyMessage.type:
                let reply = try parsing { () throws(WireError) in try CookieReplyMessage(parsing: message.span) }
                try sides[side].tunnel.receive(reply, at: now)
            default:
                let (packet, actions) = try sides[side].tunnel.open(message, at: now)
                if let length = packet.first {
                    sides[side].received.append(Array(packet.dropFirst().prefix(Int(length))))
                } else {
                    sides[side].keepalivesReceived += 1
                }
                carryOut(actions, on: side)
            }
        } catch let error as NoiseError {
            sides[side].errors.append(error)
        }
    }

    func messages(ofType type: UInt8, to destination: Int? = nil) -> [[UInt8]] {
        log.filter { $0.message[0] == type && (destination == nil || $0.destination == destination) }.map(\.message)
    }

    /// Indices that a side has neither retired nor could still need.
    func leakedIndices(of side: Int) -> Set<UInt32> {
        sides[side].liveIndices.subtracting(sides[side].installed)
    }

    mutating func freshMaterial(for side: Int) throws -> (localIndex: UInt32, ephemeral: AgreementKey) {
        let localIndex = UInt32.random(in: 1...UInt32.max, using: &random)
        sides[side].liveIndices.insert(localIndex)
        return (localIndex, try Self.agreementKey(using: &random))
    }

    mutating func carryOut(_ actions: [Tunnel.Action], on side: Int) {
        for action in actions {
            switch action {
            case .send(let message): transmit(message, to: 1 - side)
            case .needsHandshake:
                guard let (localIndex, ephemeral) = try? freshMaterial(for: side) else { continue }
                let wallTime = (now - Instant.zero) + sides[side].wallOffset
                let timestamp = sides[side].timestamps.next(unixTime: wallTime)
                carryOut(
                    sides[side].tunnel.initiate(
                        localIndex: localIndex, ephemeral: ephemeral, timestamp: timestamp, at: now), on: side)
            case .install(let keypair):
                #expect(sides[side].liveIndices.contains(keypair.localIndex))
                #expect(sides[side].installed.insert(keypair.localIndex).inserted)
            case .use(let keypair):
                #expect(sides[side].installed.contains(keypair.localIndex))
                sides[side].usedIndices.append(keypair.localIndex)
            case .retire(let localIndex):
                let wasLive = sides[side].liveIndices.remove(localIndex) != nil
                #expect(wasLive, "an index is retired once")
                sides[side].installed.remove(localIndex)
            case .failed(let unsent):
                sides[side].failures += 1
                sides[side].unsent += unsent
            }
        }
    }

    static func bytes(_ count: Int, using random: inout SeededRandom) -> [UInt8] {
        (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
    }

    static func agreementKey(using random: inout SeededRandom) throws -> AgreementKey {
        try AgreementKey(secret: Secret(bytes(32, using: &random)))
    }

    // MARK: steps

    private var nextEvent: Instant? {
        (flights.map(\.arrivesAt) + sides.compactMap(\.tunnel.nextDeadline)).min()
    }

    private mutating func handshake(_ message: [UInt8], on side: Int) throws {
        if message[0] == ResponseMessage.type {
            let response = try parsing { () throws(WireError) in try ResponseMessage(parsing: message.span) }
            carryOut(try sides[side].tunnel.receive(response, at: now), on: side)
            return
        }
        let initiation = try sides[side].door.open(message)
        let (localIndex, ephemeral) = try freshMaterial(for: side)
        do {
            let actions = try sides[side].tunnel.accept(
                initiation, localIndex: localIndex, ephemeral: ephemeral, at: now)
            carryOut(actions, on: side)
        } catch {
            sides[side].liveIndices.remove(localIndex)
            throw error
        }
    }

    private func parsing<Message>(_ parse: () throws(WireError) -> Message) throws -> Message {
        do { return try parse() } catch { throw NoiseError.malformed(error) }
    }

    private mutating func transmit(_ message: [UInt8], to destination: Int) {
        log.append((destination, message, now))
        guard !link.isCut, !isCutTo[destination] else { return }
        for isCopy in [false, true] {
            if isCopy, Double.random(in: 0..<1, using: &random) >= link.duplication { break }
            if Double.random(in: 0..<1, using: &random) < link.loss { continue }
            let latency = Int.random(in: link.latency, using: &random)
            flights.append(
                Flight(
                    arrivesAt: now + .milliseconds(latency), order: order, destination: destination, message: message))
            order += 1
        }
    }
}
