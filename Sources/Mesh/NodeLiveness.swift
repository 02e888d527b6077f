import Identity
import Noise
package import SansIO
import Traversal
import Wire

// Who is alive: what this node says of itself and of those that it watches (docs/decisions/0015-liveness.md).
extension Node {
    /// Something is sent to each watcher as often.
    static let beatInterval: Duration = .milliseconds(700)
    /// Nodes that may name this one as their watcher; others are not watched, so they count as alive.
    static let watchedLimit = 4096
    /// News for one statement is gathered for so long.
    private static let statementPause: Duration = .milliseconds(30)
    /// While a watcher is left, another takes the place of a lost one within so long for each member, so that those who
    /// had the same one do not all speak at once.
    private static let replacementTime: (atLeast: Duration, perMember: Duration) = (.seconds(5), .milliseconds(50))
    private static let firstChoiceTime: Duration = .milliseconds(500)
    /// A member that calls us silent although it answers us is no watcher of ours for so long.
    private static let disputeTime: Duration = .seconds(3600)
    private static let disputePatience: Duration = .seconds(3)
    private static let inheritanceTime: Duration = .seconds(60)

    /// Whether others use services of this node, and whether it uses theirs. Without either, and unless another node names it as
    /// its watcher, this node neither sends nor asks anything for liveness' sake.
    package mutating func setServices(areOffered: Bool, areUsed: Bool, at now: Instant) {
        guard areOffered != liveness.offersServices || areUsed != liveness.usesServices else { return }
        liveness.offersServices = areOffered
        liveness.usesServices = areUsed
        reviewContacts(at: now)
        stateSoon(at: now)
    }

    /// Others are to know when this node dies: it offers something, or they hear of others' death from it.
    private var wantsWatchers: Bool { liveness.offersServices || !liveness.watched.isEmpty }
    private var isTakingPart: Bool { wantsWatchers || liveness.usesServices }

    // MARK: our statement

    mutating func stateSoon(at now: Instant) {
        if deadlines.deadline(of: .statement) == nil { deadlines.set(now + Self.statementPause, for: .statement) }
    }

    /// Announces what has changed of our watchers and of those that we watch.
    mutating func state(at now: Instant) {
        let silent = liveness.stated.map(\.bytes.leadingUInt64) + liveness.inherited
        let statement = LivenessStatement(
            watchers: wantsWatchers ? liveness.contacts.map(\.bytes.leadingUInt64) : [],
            silent: Array(silent.sorted().prefix(LivenessStatement.silentLimit)))
        counters.liveness.silencesUnreported += max(0, silent.count - LivenessStatement.silentLimit)
        let payload = statement.encoded
        guard payload != announcements.own[Announcement.livenessPart]?.payload ?? [] else { return }
        guard liveness.publications.take(at: now) else {
            deadlines.set(now + .milliseconds(200), for: .statement)
            return
        }
        let announcement = announcePart(Announcement.livenessPart, payload, at: now)
        save(announcement)
    }

    /// Begins where a former life of this node ended: it keeps its watchers, and says nobody alive whom it has not heard.
    mutating func inheritStatement(_ announcement: Announcement, at now: Instant) {
        guard let statement = try? LivenessStatement(parsing: announcement.payload) else { return }
        liveness.contacts = statement.watchers.compactMap { directory.node(beginning: $0) }
        liveness.inherited = Set(statement.silent)
        for node in liveness.watched.sorted() { listen(to: node, at: now) }
    }

    // MARK: others' statements

    mutating func learnStatement(_ announcement: Announcement, isFromDisk: Bool, at now: Instant) {
        guard var statement = try? LivenessStatement(parsing: announcement.payload) else {
            counters.announcementsRefused += 1
            return
        }
        let node = announcement.node
        if isFromDisk {
            statement.silent = []
            liveness.unconfirmed.insert(node)
        } else if liveness.unconfirmed.remove(node) != nil {
            liveness.confirmedAt = now
        }
        liveness.statements[node] = statement
        let own = identity.nodeID.bytes.leadingUInt64
        if statement.watchers.contains(own), !liveness.watched.contains(node) {
            if liveness.watched.count < Self.watchedLimit {
                liveness.watched.insert(node)
                listen(to: node, at: now)
                watchedChanged(at: now)
            } else {
                counters.liveness.watchesRefused += 1
            }
        } else if !statement.watchers.contains(own), liveness.watched.remove(node) != nil {
            stopWatching(node, at: now)
        }
        if statement.silent.contains(own), liveness.contacts.contains(node) {
            if liveness.accusedAt[node] == nil { liveness.accusedAt[node] = now }
        } else {
            liveness.accusedAt[node] = nil
        }
        judgeSoon(at: now)
    }

    mutating func forgetStatement(of node: NodeID, at now: Instant) {
        liveness.statements[node] = nil
        liveness.unconfirmed.remove(node)
        liveness.accusedAt[node] = nil
        liveness.disputes[node] = nil
        if liveness.watched.remove(node) != nil { stopWatching(node, at: now) }
        judgeSoon(at: now)
    }

    private mutating func stopWatching(_ node: NodeID, at now: Instant) {
        liveness.stated.remove(node)
        watchedChanged(at: now)
        stateSoon(at: now)
    }

    /// The first one that is watched makes this node a witness, whose own death matters; the last one ends that.
    private mutating func watchedChanged(at now: Instant) {
        if liveness.watched.count <= 1 { reviewContactsSoon(at: now, within: .zero) }
    }

    // MARK: contacts

    mutating func reviewContactsSoon(at now: Instant, within time: Duration) {
        let due = now + time
        if deadlines.deadline(of: .contacts).map({ $0 > due }) ?? true { deadlines.set(due, for: .contacts) }
    }

    /// A member introduced itself, some time has passed, or a contact was lost: another choice may be better.
    mutating func considerContacts(at now: Instant) {
        guard isTakingPart, chosenContacts(at: now) != liveness.contacts else { return }
        let isAnyLeft = liveness.contacts.contains { peers.number(ofNode: $0).map(isHeard) ?? false }
        guard isAnyLeft else {
            let isFirst = liveness.contacts.isEmpty
            return reviewContactsSoon(at: now, within: isFirst ? Self.firstChoiceTime : .zero)
        }
        guard deadlines.deadline(of: .contacts) == nil else { return }
        let time = max(Self.replacementTime.atLeast, Self.replacementTime.perMember * directory.count)
        let pause = Int64.random(in: 0...time.nanoseconds, using: &random)
        reviewContactsSoon(at: now, within: .nanoseconds(pause))
    }

    mutating func reviewContacts(at now: Instant) {
        let chosen = isTakingPart ? chosenContacts(at: now) : []
        if isTakingPart, chosen.isEmpty { meetSomebody(at: now) }
        if !isTakingPart || !chosen.isEmpty { liveness.contacts = chosen }
        for node in liveness.contacts { listen(to: node, at: now) }
        pruneEars(at: now)
        stateSoon(at: now)
        beat(at: now)
    }

    /// Every five seconds.
    mutating func maintainLiveness(at now: Instant) {
        for (node, since) in liveness.accusedAt where now - since >= Self.disputePatience {
            guard let number = peers.number(ofNode: node), isHeard(number) else { continue }
            liveness.disputes[node] = now + Self.disputeTime
            liveness.accusedAt[node] = nil
            counters.liveness.watchersDisputed += 1
        }
        liveness.disputes = liveness.disputes.filter { now < $0.value }
        liveness.dampers = liveness.dampers.filter { now < $0.value.fullAt }
        if now - startedAt >= Self.inheritanceTime {
            liveness.inherited = []
            if !isTakingPart, !liveness.contacts.isEmpty { reviewContactsSoon(at: now, within: .zero) }
            stateSoon(at: now)
        }
        liveness.digestSentAt = liveness.digestSentAt.filter { now - $0.value < Self.digestInterval }
        pruneEars(at: now)
        // Some have another tunnel key by now, and are new peers.
        for node in liveness.watched.sorted() + liveness.contacts {
            if let number = peers.number(ofNode: node), liveness.ears[number] == nil { listen(to: node, at: now) }
        }
        considerContacts(at: now)
        judgeIfPressing(at: now)
    }

    /// Lets watchers hear something, unless they have heard something else.
    mutating func beat(at now: Instant) {
        guard wantsWatchers, !liveness.contacts.isEmpty else { return deadlines.remove(.beats) }
        var next = now + Self.beatInterval
        for node in liveness.contacts {
            guard let number = peers.number(ofNode: node), peers.isConnected(number), peers.path(of: number) != nil
            else { continue }
            if let last = lastSent(to: number), now - last < Self.beatInterval {
                next = min(next, last + Self.beatInterval)
            } else {
                // An empty packet: no other is as short, and nobody is woken by it.
                drive(number, at: now) { $0.send([], at: now) }
            }
        }
        deadlines.set(next, for: .beats)
    }

    private func lastSent(to number: Int) -> Instant? { peers[number]?.tunnel.activity.lastSent }

    /// No member is connected that could be a contact, and no relay is known that would be: any member will do.
    private mutating func meetSomebody(at now: Instant) {
        let members = peers.numbers.filter { peers.node(of: $0) != nil }
        guard !members.contains(where: peers.isAnchor) else { return }
        for number in members.prefix(2) { connect(number, at: now) }
    }
}
