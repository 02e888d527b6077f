package import Identity
package import SansIO
import Wire

/// What this node announces, and what others do.
struct AnnouncementState: Sendable {
    /// Of others.
    var known = Announcements()
    /// Ours, signed, by part.
    var own: [UInt8: Announcement] = [:]
    /// Of our newest announcement of whatever part.
    var number: UInt64 = 0
}

// Announcements: signed once, passed on by everybody, compared whenever directories are.
extension Node {
    /// How much is sent in answer to one digest or request; the next digest asks for more.
    private static let answerLimitBytes = 32_768
    private static let chanceBits: UInt64 = 24

    /// What this node announces from now on, by part; a part that is missing is taken back. Parts that are as before cost
    /// nothing.
    ///
    /// Precondition: parts are below `Announcement.livenessPart`, which is the node's own, and payloads within
    /// `Announcement`'s limit.
    package mutating func announce(_ parts: [UInt8: [UInt8]], at now: Instant) {
        precondition(parts.keys.allSatisfy { $0 < Announcement.livenessPart })
        for part in 0..<Announcement.livenessPart {
            let payload = parts[part] ?? []
            guard payload != announcements.own[part]?.payload ?? [] else { continue }
            _ = announcePart(part, payload, at: now)
        }
    }

    /// The name that a member's certificate gives it.
    package func memberName(of node: NodeID) -> String? { registry.chain(of: node)?.certificate.name.description }

    /// Signs a part anew and tells everybody.
    mutating func announcePart(_ part: UInt8, _ payload: [UInt8], at now: Instant) -> Announcement {
        announcements.number = number(above: announcements.number)
        let announcement = identity.announcement(part: part, number: announcements.number, payload: payload)
        announcements.own[part] = announcement
        actions.append(.save(.announcementNumber(announcements.number)))
        spread(announcement.encoded, except: nil, at: now)
        return announcement
    }

    mutating func save(_ announcement: Announcement) {
        actions.append(
            .save(
                .announcement(
                    node: announcement.node, part: announcement.part, number: announcement.number,
                    encoded: announcement.encoded)))
    }

    /// What other nodes announce, by node and part; who is alive apart (`deadNodes`).
    package var announced: [Announcement] {
        announcements.known.all.map(\.announcement).filter { $0.part != Announcement.livenessPart }
    }

    /// Takes what was on disk; what does not belong to an admitted node is left out.
    mutating func restoreAnnouncements(_ restored: [[UInt8]], number: UInt64, at now: Instant) {
        announcements.number = number
        for encoded in restored {
            guard let announcement = try? Announcement(parsing: encoded) else { continue }
            if announcement.node == identity.nodeID {
                guard announcement.part == Announcement.livenessPart,
                    isVouchedFor(announcement, by: identity.chain)
                else { continue }
                announcements.own[announcement.part] = announcement
                inheritStatement(announcement, at: now)
            } else if isVouchedFor(announcement) {
                // Who was alive when it was written says nothing now: it is asked for anew.
                if announcement.part == Announcement.livenessPart {
                    learnStatement(announcement, isFromDisk: true, at: now)
                } else {
                    _ = announcements.known.merge(announcement, encoded: encoded)
                }
            }
        }
    }

    /// A node has no place in the mesh any more.
    mutating func forgetAnnouncements(of node: NodeID, at now: Instant) {
        let wasUnconfirmed = liveness.unconfirmed.contains(node)
        forgetStatement(of: node, at: now)
        guard announcements.known.remove(node) || wasUnconfirmed else { return }
        actions.append(.save(.forgetAnnouncements(node: node)))
        events(.announcementsEnded(node: node))
    }

    // MARK: spreading

    mutating func sendAnnouncementDigest(to number: Int, at now: Instant) {
        let own = announcements.own.values.map(AnnouncementMessage.Line.init)
        for digest in announcements.known.digests(with: own) { send(digest, to: number, at: now) }
    }

    mutating func receiveAnnouncement(_ payload: [UInt8], from number: Int, at now: Instant) {
        guard let message = try? AnnouncementMessage(parsing: payload) else {
            counters.malformedFrames += 1
            return
        }
        switch message {
        case .announcement(let encoded): learnAnnouncement(encoded, from: number, at: now)
        case .digest(let first, let last, let lines): answer(lines, from: first, to: last, of: number, at: now)
        case .request(let places):
            send(places, to: number, at: now)
        }
    }

    private mutating func learnAnnouncement(_ encoded: [UInt8], from number: Int, at now: Instant) {
        guard let announcement = try? Announcement(parsing: encoded) else {
            counters.announcementsRefused += 1
            return
        }
        if announcement.node == identity.nodeID { return outrun(announcement, at: now) }
        let key = Announcements.Key(node: announcement.node, part: announcement.part)
        // What came before by another way: most of what a flood brings.
        if let known = announcements.known[key], !announcement.supersedes(known.announcement) { return }
        guard isVouchedFor(announcement) else {
            counters.announcementsRefused += 1
            return
        }
        guard announcements.known.merge(announcement, encoded: encoded) else { return }
        save(announcement)
        if announcement.part == Announcement.livenessPart {
            learnStatement(announcement, isFromDisk: false, at: now)
        } else {
            events(.announced(announcement))
        }
        spread(encoded, except: number, at: now)
    }

    /// What others remember of us is later than what we know: our state is an old copy, or was lost.
    private mutating func outrun(_ announcement: Announcement, at now: Instant) {
        guard isVouchedFor(announcement, by: identity.chain), announcement.number < .max / 2,
            announcements.own[announcement.part].map({ announcement.supersedes($0) }) ?? true
        else { return }
        announcements.number = max(announcements.number, announcement.number)
        // The disk was lost: others remember whom we do not hear.
        let isInherited = announcement.part == Announcement.livenessPart && announcements.own[announcement.part] == nil
        if isInherited { inheritStatement(announcement, at: now) }
        let current = announcements.own[announcement.part]?.payload ?? (isInherited ? announcement.payload : [])
        let renewed = announcePart(announcement.part, current, at: now)
        if renewed.part == Announcement.livenessPart { save(renewed) }
    }

    /// A higher number, whose low bits are chance: an author that lost its state counts anew, and a number that it made before
    /// would look like the same announcement to whoever compares numbers.
    private mutating func number(above number: UInt64) -> UInt64 {
        ((number >> Self.chanceBits) + 1) << Self.chanceBits | random.next() >> (64 - Self.chanceBits)
    }

    /// Whether an admitted node, by the certificate that counts, has signed it.
    private func isVouchedFor(_ announcement: Announcement, by chain: CertificateChain? = nil) -> Bool {
        guard let chain = chain ?? registry.chain(of: announcement.node) else { return false }
        guard announcement.node == identity.nodeID || registry.isAdmitted(announcement.node) else { return false }
        return announcement.isSigned(by: chain, in: identity.mesh, using: registry.signatures)
    }

    private mutating func answer(
        _ lines: [AnnouncementMessage.Line], from first: AnnouncementMessage.Place, to last: AnnouncementMessage.Place,
        of number: Int, at now: Instant
    ) {
        let theirs = Dictionary(lines.map { ($0.place, $0.number) }) { max($0, $1) }
        let own = announcements.own.values.map { AnnouncementMessage.Line($0) }
        let ours = (announcements.known.all.map { AnnouncementMessage.Line($0.announcement) } + own).sorted()
            .filter { first <= $0.place && $0.place <= last }
        let newer = ours.filter { line in theirs[line.place].map { $0 < line.number } ?? true }
        send(newer.prefix(AnnouncementMessage.lineLimit).map(\.place), to: number, at: now)
        let known = Dictionary(ours.map { ($0.place, $0.number) }) { max($0, $1) }
        let wanted = lines.filter { line in known[line.place].map { $0 < line.number } ?? true }.map(\.place)
        if !wanted.isEmpty { send(.request(wanted), to: number, at: now) }
    }

    /// Sends what is at these places, as much as one answer may hold; at least one.
    private mutating func send(_ places: [AnnouncementMessage.Place], to number: Int, at now: Instant) {
        var remaining = Self.answerLimitBytes
        for place in places {
            guard remaining > 0 else { return }
            guard let encoded = announcement(at: place)?.encoded else { continue }
            remaining -= encoded.count
            send(.announcement(encoded), to: number, at: now)
        }
    }

    private func announcement(at place: AnnouncementMessage.Place) -> Announcement? {
        if place.node == identity.nodeID.bytes.leadingUInt64 { return announcements.own[place.part] }
        guard let node = directory.node(beginning: place.node) else { return nil }
        return announcements.known[Announcements.Key(node: node, part: place.part)]?.announcement
    }

    private mutating func spread(_ encoded: [UInt8], except: Int?, at now: Instant) {
        for peer in peers.all where peer.isMember && peer.hasSession && peer.number != except {
            send(.announcement(encoded), to: peer.number, at: now)
        }
    }

    private mutating func send(_ message: AnnouncementMessage, to number: Int, at now: Instant) {
        send(.extended(.announcements, message.encoded), to: number, at: now)
    }
}
