import Datapath
import Identity
import SansIO
package import Traversal
import Wire

/// What is known of the way our NAT maps.
struct NATKnowledge: Sendable {
    /// What a member saw at its second port, and what it saw at its first at that time.
    struct Comparison: Sendable {
        var observer: Int
        var first: Endpoint
        var second: Endpoint
        var at: Instant
    }

    /// Questions of others for our second port, by the number that their datagram is to carry.
    var listening: [(nonce: UInt64, peer: Int, at: Instant)] = []
    var comparison: Comparison?
    /// Whom we asked for its second port, and when.
    var asked: (observer: Int, at: Instant)?
    /// When anchors were last pinged for no other reason than what they see of us.
    var refreshedAt: Instant?
}

// Whether our NAT gives every destination another port: what several members see, or one member at two of its ports.
extension Node {
    /// What was seen of our address within this time needs no other look before a punch. Anchors are pinged more often.
    static let freshMappingTime: Duration = .seconds(12)
    /// How long a comparison counts, as long as the network does not change.
    static let comparisonTime: Duration = .seconds(600)
    private static let questionInterval: Duration = .seconds(2)
    private static let listeningLimit = 256
    private static let listeningTime: Duration = .seconds(5)
    /// What a datagram to a second port begins with, before its number: a STUN indication with no attributes (RFC 8489 §5), for of
    /// what strangers send nothing else passes the packet threads.
    private static let knock: [UInt8] = [0, 0x11, 0, 0, 0x21, 0x12, 0xa4, 0x42, 0x4b, 0x4d, 0x53, 0x50]

    /// Has an anchor tell us what our packets come from, unless one did lately. Its answer, if it is news, makes us tell the peers
    /// that we are punching with.
    mutating func refreshMapping(at now: Instant) {
        askForSecondPort(at: now)
        let newest = observations.map(\.at).max()
        guard newest.map({ now - $0 >= Self.freshMappingTime }) ?? true,
            nat.refreshedAt.map({ now - $0 >= .seconds(1) }) ?? true
        else { return }
        nat.refreshedAt = now
        for anchor in relayCandidates().prefix(2) {
            guard case .direct(let endpoint)? = peers[anchor]?.paths.current else { continue }
            let pathActions = peers[anchor]?.paths.probe([endpoint], at: now, using: &random) ?? []
            apply(pathActions, to: anchor, at: now)
        }
    }

    /// How our NAT maps.
    package var ownNAT: NATKind {
        let seen = observations.filter { $0.endpoint.address.isIPv4 && !$0.endpoint.address.isPrivate }
        guard let first = seen.first else { return .unknown }
        if configuration.local.contains(first.endpoint) { return .none }
        if let comparison = nat.comparison, comparison.first != comparison.second { return .symmetric }
        if seen.count > 1 { return seen.allSatisfy { $0.endpoint == first.endpoint } ? .cone : .symmetric }
        if nat.comparison != nil { return .cone }
        return natReport?.ipv4.mapping.value.map { $0.isStable ? .cone : .symmetric } ?? .unknown
    }

    /// How our NAT chooses ports.
    package var ownAllocation: PortAllocation {
        guard let ports = natReport?.ipv4.ports.value else { return .any }
        return PortAllocation(ports, newest: nat.comparison?.second.port)
    }

    /// What was known of our NAT was known of another network.
    mutating func forgetNAT() {
        nat.comparison = nil
        nat.asked = nil
    }

    // MARK: asking

    /// Where one member only sees us, it has a look with its second port too.
    private mutating func askForSecondPort(at now: Instant) {
        // Where ports come in a row, the last one is worth knowing.
        let time = if case .sequential = ownAllocation { Self.freshMappingTime } else { Self.comparisonTime }
        if let comparison = nat.comparison, now - comparison.at < time { return }
        guard nat.comparison != nil || ownNAT == .unknown,
            nat.asked.map({ now - $0.at >= Self.questionInterval }) ?? true,
            let observer = relayCandidates().first(where: { peers[$0]?.paths.current?.ipv4Endpoint != nil })
        else { return }
        nat.asked = (observer, now)
        send(.extended(.search, SearchMessage.secondPort.encoded), to: observer, at: now)
    }

    /// A member told us its second port: what we send there shows it what our NAT does.
    mutating func receiveSecondPort(_ port: UInt16, nonce: UInt64, from number: Int, at now: Instant) {
        guard nat.asked?.observer == number, let endpoint = peers[number]?.paths.current?.ipv4Endpoint else {
            counters.unexpectedFrames += 1
            return
        }
        var writer = ByteWriter(capacity: 20)
        writer.append(Self.knock)
        writer.append(bigEndian: nonce)
        let secondEndpoint = Endpoint(endpoint.address, port: port)
        noteSent(to: secondEndpoint, at: now)
        actions.append(.send(writer.bytes, to: Destination(secondEndpoint)))
    }

    /// What a member saw at its second port.
    mutating func receiveComparison(_ second: Endpoint, from number: Int, at now: Instant) {
        let first = observations.first { $0.observer == .peer(number) && $0.endpoint.address.isIPv4 }?.endpoint
        guard nat.asked?.observer == number, isPlausible(second), let first else { return }
        nat.asked = nil
        let before = ownNAT
        nat.comparison = NATKnowledge.Comparison(observer: number, first: first, second: second, at: now)
        if ownNAT != before { punchAll(because: .candidatesChanged, at: now) }
    }

    // MARK: answering

    mutating func answerSecondPort(to number: Int, at now: Instant) {
        guard let port = configuration.secondPort else { return }
        nat.listening.removeAll { now - $0.at >= Self.listeningTime || $0.peer == number }
        guard nat.listening.count < Self.listeningLimit else { return }
        let nonce: UInt64 = random.next()
        nat.listening.append((nonce, number, now))
        send(.extended(.search, SearchMessage.secondPortIs(port, nonce: nonce).encoded), to: number, at: now)
    }

    /// Whether a datagram is what a member sends to our second port; then it is told where that came from.
    mutating func takeKnock(_ datagram: [UInt8], from source: Endpoint, at now: Instant) -> Bool {
        guard datagram.count == Self.knock.count + 8, datagram.starts(with: Self.knock) else { return false }
        let nonce = datagram.dropFirst(Self.knock.count).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        guard let index = nat.listening.firstIndex(where: { $0.nonce == nonce }) else {
            counters.stunUnexpected += 1
            return true
        }
        let question = nat.listening.remove(at: index)
        guard now - question.at < Self.listeningTime, let node = peers[question.peer]?.nodeID else { return true }
        send(.extended(.search, SearchMessage.seen(node: node.bytes, at: source).encoded), to: question.peer, at: now)
        return true
    }
}

extension Path {
    /// Where a direct path by UDP over IPv4 leads.
    fileprivate var ipv4Endpoint: Endpoint? {
        guard case .direct(let endpoint) = self, endpoint.address.isIPv4 else { return nil }
        return endpoint
    }
}
