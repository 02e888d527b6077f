import Datapath
import Identity
import Noise
import Relay
import SansIO
import Traversal
import Wire

// Control frames: what peers say inside their tunnels.
extension Node {
    static let greetingInterval: Duration = .seconds(1)
    static let greetingLimit = 10
    /// A wall clock that differs by more is worth a warning.
    static let clockTolerance: Int64 = 3600

    /// A control frame that the packet threads decrypted, from a peer of `Tables`; `arrived` packets of its containers had come
    /// before.
    mutating func receive(
        frame bytes: [UInt8], from number: Int, along path: Path, arrived: UInt32, at now: Instant
    ) {
        guard peers.contains(number), !peers.isClient(number) else { return }
        let frame: ControlFrame
        do {
            frame = try ControlFrame(parsing: bytes.span)
        } catch {
            counters.malformedFrames += 1
            return
        }
        heard(from: number, along: path, at: now)
        switch frame {
        case .fragment(let fragment):
            guard let whole = peers[number]?.assembler.assemble(fragment), whole.first != bytes.first else { return }
            receive(frame: whole, from: number, along: path, arrived: arrived, at: now)
        case .hello(let hello): receive(hello, from: number, at: now)
        case .refusal(let reason, let taken): receiveRefusal(reason, taken, from: number, at: now)
        case .goodbye:
            noteGoodbye(of: number, at: now)
            disconnect(number, at: now)
        case .ping(let nonce, let inDoubt):
            guard peers[number]?.pings.take(at: now) == true else {
                counters.overBudget += 1
                return
            }
            let pong = ControlFrame.pong(
                nonce: nonce, observed: observed(along: path), load: relayLoad, arrived: arrived)
            send(pong, to: number, along: path, at: now)
            if inDoubt { updatePaths(number, at: now) { $0.peerDoubts(along: path, at: now, using: &$1) } }
        case .pong(let nonce, let observed, let load, let arrived):
            peers[number]?.relayLoad = load
            receivePong(nonce, observed, arrived: arrived, from: number, along: path, at: now)
        default:
            guard peers[number]?.isMember == true else {
                counters.unexpectedFrames += 1
                return
            }
            receiveFromMember(frame, number, along: path, at: now)
        }
    }

    private mutating func receiveFromMember(_ frame: ControlFrame, _ number: Int, along path: Path, at now: Instant) {
        guard peers[number]?.work.take(Self.cost(of: frame), at: now) == true else {
            counters.overBudget += 1
            return
        }
        switch frame {
        case .records(let records):
            for record in records.prefix(Self.recordsPerAnswer) { learn(record, from: number, at: now) }
        case .digest(let digest): answer(digest, from: number, at: now)
        case .recordRequest(let nodes):
            let wanted = nodes.prefix(ControlFrame.digestLimit).compactMap { directory.encoded(beginning: $0) }
            sendRecords(wanted, to: number, at: now)
        case .circuitOpen(let replyID, let target, let route, let message):
            receiveOpen(replyID: replyID, target: target, route: route, message: message, from: number, at: now)
        case .circuitOffer(let relayID, let origin, let message):
            receiveOffer(relayID: relayID, origin: origin, message: message, from: number, at: now)
        case .circuitAccept(let relayID, let replyID, let message):
            receiveAccept(relayID: relayID, replyID: replyID, message: message, from: number, at: now)
        case .circuitReady(let replyID, let relayID, let message):
            receiveReady(replyID: replyID, relayID: relayID, message: message, from: number, at: now)
        case .circuitClosed(let identifier, let reason):
            receiveClosed(identifier, reason: reason, from: number, at: now)
        case .extended(let topic, let payload): receive(topic, payload, from: number, along: path, at: now)
        case .hello, .refusal, .goodbye, .ping, .pong, .fragment: break
        }
    }

    private mutating func receive(
        _ topic: ControlFrame.Topic, _ payload: [UInt8], from number: Int, along path: Path, at now: Instant
    ) {
        switch topic {
        case .renewal: receiveRenewal(payload, from: number, at: now)
        case .punch: receivePunch(payload, from: number, along: path, at: now)
        case .search: receiveSearch(payload, from: number, at: now)
        case .reachability: receiveReachability(payload, from: number, at: now)
        case .relaying: receiveRelaying(payload, from: number, at: now)
        case .inquiry: receiveInquiry(payload, from: number, at: now)
        case .announcements: receiveAnnouncement(payload, from: number, at: now)
        case .liveness: receiveLiveness(payload, from: number, along: path, at: now)
        case .news: receiveNews(payload, from: number, at: now)
        }
    }

    /// What a frame takes of its sender's `Peer.work`, about one for each signature that it makes us check.
    private static func cost(of frame: ControlFrame) -> Int {
        switch frame {
        case .records(let records): max(1, min(records.count, recordsPerAnswer))
        case .recordRequest(let nodes): max(1, min(nodes.count, ControlFrame.digestLimit))
        // Answered with many records.
        case .digest: 16
        case .extended(.liveness, _): 1
        // Signed by us, or carried to a third party.
        case .extended, .circuitOpen, .circuitOffer: 4
        default: 1
        }
    }

    // MARK: hello

    /// Introduces us on a new session, and again each second until the peer has introduced itself.
    mutating func greet(_ number: Int, at now: Instant) {
        guard let peer = peers[number], !peer.isClient, peer.hasSession, peer.greeting.sentCount < Self.greetingLimit
        else {
            return
        }
        let hello = ControlFrame.Hello(
            bootID: bootID, wallSeconds: wallTime(at: now).seconds, wantsReply: peer.greeting.received == nil,
            record: ownRecord)
        peers[number]?.greeting.sentCount += 1
        send(.hello(hello), to: number, at: now)
        deadlines.set(peer.greeting.received == nil ? now + Self.greetingInterval : nil, for: .greeting(number))
    }

    private mutating func receive(_ hello: ControlFrame.Hello, from number: Int, at now: Instant) {
        guard peers[number]?.introductions.take(at: now) == true, let peer = peers[number] else {
            counters.overBudget += 1
            return
        }
        switch admit(hello.record, showing: peer.tunnelKey, at: now) {
        case .failure(let refusal):
            counters.recordsRefused += 1
            reportRefusal(of: peer.name, refusal.reason, at: now)
            send(.refusal(reason: refusal.reason, takenSubnets: refusal.takenSubnets), to: number, at: now)
            return
        case .success(let record):
            // The record may have shown that another node owns this tunnel key.
            guard peers[number] != nil else { return }
            become(record, number, at: now)
        }
        let restarted = peer.greeting.received.map { $0 != hello.bootID } ?? false
        let isNew = peer.greeting.received != hello.bootID
        peers[number]?.greeting.received = hello.bootID
        peers[number]?.refusal = nil
        deadlines.remove(.greeting(number))
        if restarted {
            dropCircuits(through: number, at: now)
            for circuit in relay.removePeer(number) { announceClosed(circuit, except: number, at: now) }
        }
        if hello.wantsReply {
            peers[number]?.greeting.sentCount = 0
            greet(number, at: now)
        }
        guard isNew else { return }
        warnOfClock(hello.wallSeconds, of: number, at: now)
        touch(number)
        events(.connected(peer: name(of: number), path: peers[number]?.paths.current))
        if peer.wasUnsolicited, case .direct(let endpoint)? = peer.handshakePath {
            noteUnsolicited(from: endpoint, at: now)
        }
        if !reachability.isConfirmed { testReachabilitySoon(at: now) }
        discoverWithNewcomer(at: now)
        notePathForPunching(number, at: now)
        sendDigest(to: number, at: now)
        sendAnnouncementDigest(to: number, at: now)
        considerContacts(at: now)
        if peers.isAnchor(number) { askForNews(number, at: now) }
        noteRecent()
        chooseAnchorsSoon(at: now)
        reconnectThroughRelay(number, at: now)
        seekCircuits(to: number, at: now)
        // Vouched for at once: until then whoever joins in the same second as we did, under our name, may take our place.
        renewIfNeeded(at: now)
    }

    private mutating func warnOfClock(_ theirs: UInt64, of number: Int, at now: Instant) {
        let difference = Int64(clamping: wallTime(at: now).seconds) - Int64(clamping: theirs)
        if abs(difference) > Self.clockTolerance {
            events(.clockSkew(peer: name(of: number), seconds: difference))
        }
        peers[number]?.clockDifference = difference
    }

    private mutating func receiveRefusal(_ reason: String, _ takenSubnets: [UInt16], from number: Int, at now: Instant)
    {
        guard let peer = peers[number], !peer.isMember, !peer.isUnverified else { return }
        // Each may have us issue our certificate anew, and is told in the log.
        guard peers[number]?.introductions.take(at: now) == true else {
            counters.overBudget += 1
            return
        }
        if !takenSubnets.isEmpty, takenSubnets.contains(identity.certificate.subnet),
            takeOtherSubnet(avoiding: Set(takenSubnets), at: now)
        {
            // Our hash drew what another has: introduce ourselves again with the next draw.
            peers[number]?.greeting.sentCount = 0
            greet(number, at: now)
            return
        }
        peers[number]?.refusal = reason
        deadlines.remove(.greeting(number))
        events(.refusedByPeer(peer: peer.name, reason: reason))
    }

    // MARK: ping

    /// Where a peer's packets along a path come from, as the network shows it.
    private func observed(along path: Path) -> Endpoint? {
        guard case .direct(let endpoint) = path else { return nil }
        guard let link = endpoint.link else { return endpoint }
        return link.kind == .socket ? links[link.number]?.remote : nil
    }

    private mutating func receivePong(
        _ nonce: UInt64, _ observed: Endpoint?, arrived: UInt32, from number: Int, along path: Path, at now: Instant
    ) {
        let waiting = peers[number]?.awaitedPongs.removeValue(forKey: nonce)
        guard waiting != nil || peers[number]?.paths.awaits(nonce) == true else { return }
        if let waiting {
            events(
                .pong(
                    token: waiting.token, roundTripTime: now - waiting.sentAt, path: path,
                    relay: relayName(of: path)))
        }
        updatePaths(number, at: now) { $0.pong(nonce: nonce, along: path, arrived: arrived, at: now, using: &$1) }
        // What a link's own socket is seen as says nothing of the main one.
        if let observed, case .direct(let endpoint) = path, !endpoint.isLink, peers[number]?.isMember == true {
            noteReflexive(observed, toldBy: .peer(number), at: now)
        }
    }

    // MARK: sending

    /// Sends a frame to a peer along its path in use; without a session the frame is not sent.
    mutating func send(_ frame: ControlFrame, to number: Int, at now: Instant) {
        guard peers.path(of: number) != nil else { return }
        send(frame, to: number, along: nil, at: now)
    }

    /// Sends a frame along one path; `nil` stands for wherever packets go.
    mutating func send(_ frame: ControlFrame, to number: Int, along path: Path?, at now: Instant) {
        guard peers.isConnected(number) else { return }
        for packet in peers[number]?.assembler.split(frame.encoded) ?? [] {
            let tunnelActions = updateTunnel(number, at: now) { tunnel throws(NoiseError) in
                tunnel.send(packet, at: now)
            }
            apply(tunnelActions ?? [], to: number, along: path, at: now)
        }
    }
}
