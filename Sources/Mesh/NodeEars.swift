import Identity
import Noise
import SansIO
import Traversal
import Wire

// Listening for those that matter: those that this node watches, its contacts, and those that others call silent.
extension Node {
    /// Watchers hear something every `beatInterval`.
    private static let watching = Ear.Manner(
        patience: .milliseconds(900), questions: 5, answerTime: .milliseconds(500), vigour: .seconds(30))
    /// Contacts are asked about as often, two together.
    private static let contactInterval: Duration = .milliseconds(1200)
    /// Others say that it is silent: asked at once.
    private static let suspecting = Ear.Manner(
        patience: .seconds(5), questions: 5, answerTime: .milliseconds(500))
    /// Who was heard within so long is not asked again because of what others say.
    static let freshness: Duration = .milliseconds(800)
    private static let suspicionTime: Duration = .seconds(30)
    /// A peer without a session has so much longer to make one.
    private static let sessionTime: Duration = .seconds(2)

    private static let question: [UInt8] = [1]
    private static let answer: [UInt8] = [2]

    /// Whether a peer is listened for and not silent.
    func isHeard(_ number: Int) -> Bool { liveness.ears[number].map { !$0.isSilent } ?? false }

    /// A node is watched, or a contact, from now on.
    mutating func listen(to node: NodeID, at now: Instant) {
        guard let number = peers.number(ofNode: node), let manner = manner(of: node) else { return }
        if liveness.inherited.remove(node.bytes.leadingUInt64) != nil, liveness.watched.contains(node) {
            liveness.ears[number] = Ear(manner, silentAt: now)
            liveness.stated.insert(node)
        }
        if liveness.ears[number] == nil {
            liveness.ears[number] = Ear(
                manner, lastHeard: now, graceUntil: peers.isConnected(number) ? nil : now + Self.sessionTime)
        }
        liveness.ears[number]?.manner = manner
        deadlines.set(liveness.ears[number]?.nextDeadline, for: .ear(number))
    }

    private func manner(of node: NodeID) -> Ear.Manner? {
        if liveness.watched.contains(node) { return Self.watching }
        guard liveness.contacts.contains(node) else { return nil }
        var manner = Self.watching
        manner.patience = Self.contactInterval * min(liveness.contacts.count, 2)
        return manner
    }

    /// Others say that a peer is silent, or its path is lost: it is asked itself. Whether its answer is awaited.
    mutating func suspect(_ number: Int, at now: Instant) -> Bool {
        guard peers.isConnected(number), !peers.isClient(number) else { return false }
        liveness.suspects[number] = now + Self.suspicionTime
        if liveness.ears[number] == nil { liveness.ears[number] = Ear(Self.suspecting, lastHeard: now) }
        guard liveness.ears[number]?.isSilent == false else { return false }
        liveness.ears[number]?.ask(at: now)
        deadlines.set(liveness.ears[number]?.nextDeadline, for: .ear(number))
        return true
    }

    mutating func advanceEar(_ number: Int, at now: Instant) {
        if let last = peers[number]?.tunnel.activity.lastReceived { hear(number, at: last, now: now) }
        let roundTrip = peers[number].flatMap { peer in
            peer.paths.current.flatMap { peer.paths.statistics(of: $0)?.roundTripTime }
        }
        switch liveness.ears[number]?.advance(to: now, roundTrip: roundTrip) {
        case .ask: ask(number, at: now)
        case .fellSilent: fellSilent(number, at: now)
        case nil: break
        }
        deadlines.set(liveness.ears[number]?.nextDeadline, for: .ear(number))
    }

    /// Something authentic came from a peer, which the packet threads noted at `moment`.
    mutating func hear(_ number: Int, at moment: Instant, now: Instant) {
        guard liveness.ears[number]?.hear(at: moment) == true else { return }
        deadlines.set(liveness.ears[number]?.nextDeadline, for: .ear(number))
        judgeSoon(at: now)
        guard let node = peers.node(of: number) else { return }
        if liveness.stated.remove(node) != nil { state(at: now) }
        // Statements were missed meanwhile, on both sides.
        guard liveness.contacts.contains(node) || peers.isAnchor(number), liveness.digestSentAt[number] == nil
        else { return }
        liveness.digestSentAt[number] = now
        sendAnnouncementDigest(to: number, at: now)
        considerContacts(at: now)
    }

    private mutating func fellSilent(_ number: Int, at now: Instant) {
        judgeSoon(at: now)
        guard let node = peers.node(of: number) else { return }
        if liveness.watched.contains(node) { stateSilence(of: node, at: now) }
        guard liveness.contacts.contains(node) else { return }
        considerContacts(at: now)
        // It may be this node that is cut off: who else answers?
        for anchor in peers.connected where anchor != number && peers.isAnchor(anchor) { _ = suspect(anchor, at: now) }
    }

    private mutating func stateSilence(of node: NodeID, at now: Instant) {
        guard !liveness.stated.contains(node) else { return }
        guard liveness.dampers[node, default: .init()].take(at: now) else {
            counters.liveness.silencesDamped += 1
            return
        }
        liveness.stated.insert(node)
        stateSoon(at: now)
    }

    /// A peer says goodbye. Who watches it need not listen first.
    mutating func noteGoodbye(of number: Int, at now: Instant) {
        guard let node = peers.node(of: number), manner(of: node) != nil else { return }
        liveness.ears[number]?.silence(at: now)
        fellSilent(number, at: now)
        deadlines.set(liveness.ears[number]?.nextDeadline, for: .ear(number))
    }

    /// Ends listening for those that do not matter any more.
    mutating func pruneEars(at now: Instant) {
        liveness.suspects = liveness.suspects.filter { now < $0.value }
        for number in liveness.ears.keys.sorted() {
            let isWanted =
                liveness.suspects[number] != nil
                || peers.node(of: number).map { manner(of: $0) != nil || liveness.dead.contains($0) } ?? false
            // An anchor that does not answer tells whether this node is cut off.
            let isTelling = peers.isAnchor(number) && !isHeard(number)
            if !isWanted && !isTelling { removeEar(number) }
        }
    }

    mutating func removeEar(_ number: Int) {
        liveness.ears[number] = nil
        liveness.suspects[number] = nil
        deadlines.remove(.ear(number))
    }

    // MARK: questions

    /// Asks for a sign of life: first along the path in use, then along every way that may lead to a peer.
    private mutating func ask(_ number: Int, at now: Instant) {
        guard peers.isConnected(number), let peer = peers[number] else {
            if let node = peers.node(of: number), liveness.contacts.contains(node) { connect(number, at: now) }
            return
        }
        // A silence of more than one round is damped no longer.
        if let node = peer.nodeID, liveness.watched.contains(node), !isHeard(number) {
            stateSilence(of: node, at: now)
        }
        let isFirst = liveness.ears[number]?.isFirstQuestion == true
        var paths = [peer.paths.current, isFirst ? nil : peer.paths.standby].compactMap(\.self)
        if let last = peer.lastEndpoint, paths.isEmpty || !isHeard(number), !paths.contains(.direct(last)) {
            paths.append(.direct(last))
        }
        for path in paths { send(.extended(.liveness, Self.question), to: number, along: path, at: now) }
    }

    mutating func receiveLiveness(_ payload: [UInt8], from number: Int, along path: Path, at now: Instant) {
        switch payload {
        case Self.question: send(.extended(.liveness, Self.answer), to: number, along: path, at: now)
        // That it came is all it says.
        case Self.answer: break
        default: counters.malformedFrames += 1
        }
    }
}
