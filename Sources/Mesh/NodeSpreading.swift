import Identity
import SansIO
import Wire

// How records spread: news is passed on to everybody with a session, and digests find what was missed.
extension Node {
    static let digestInterval: Duration = .seconds(10)
    /// Anchors that a digest is sent to in each round; the others have their turn in later ones.
    static let digestsPerRound = 3
    /// Records sent in answer to one digest; the next one asks for more.
    static let recordsPerAnswer = 64
    /// How long news waits before it is passed on. It is another time for each node and piece, so that not all speak at once.
    private static let spreadingPause: ClosedRange<Int64> = 10...60

    /// A record is news: it is passed on soon to all that are not known to have it.
    mutating func spread(_ node: NodeID, from number: Int?, at now: Instant) {
        spreading.add(node, knownTo: [number, peers.number(ofNode: node)].compactMap(\.self))
        guard deadlines.deadline(of: .spreading) == nil else { return }
        let pause = Duration.milliseconds(Int64.random(in: Self.spreadingPause, using: &random))
        deadlines.set(now + pause, for: .spreading)
    }

    /// Passes on what waited, to each peer in as few frames as possible.
    mutating func passOn(at now: Instant) {
        let news = spreading.takeAll().compactMap { node, holders in
            directory.entry(of: node).map { (encoded: $0.encoded, holders: holders) }
        }
        for number in peers.connectedMembers {
            let records = news.lazy.filter { !$0.holders.contains(number) }.map(\.encoded)
            sendRecords(Array(records), to: number, at: now)
        }
    }

    /// Sends records in as few frames as they fit in.
    mutating func sendRecords(_ records: [[UInt8]], to number: Int, at now: Instant) {
        var batch: [[UInt8]] = []
        var size = 3
        for record in records {
            if !batch.isEmpty, size + record.count + 2 > ControlFrame.sizeLimit {
                send(.records(batch), to: number, at: now)
                batch = []
                size = 3
            }
            batch.append(record)
            size += record.count + 2
        }
        if !batch.isEmpty { send(.records(batch), to: number, at: now) }
    }

    // MARK: digests

    /// Compares directories with some of the anchors, one after the other in turn.
    mutating func sendDigests(at now: Instant) {
        lastDigest = now
        let anchors = peers.connectedMembers.filter(peers.isAnchor)
        let next = anchors.firstIndex { $0 > lastDigestReceiver } ?? 0
        for number in (anchors[next...] + anchors[..<next]).prefix(Self.digestsPerRound) {
            lastDigestReceiver = number
            sendDigest(to: number, at: now)
            sendAnnouncementDigest(to: number, at: now)
        }
    }

    mutating func sendDigest(to number: Int, at now: Instant) {
        for digest in directory.digests { send(.digest(digest), to: number, at: now) }
    }

    /// Sends what the peer lacks or has older, asks for what it has newer.
    mutating func answer(_ digest: ControlFrame.Digest, from number: Int, at now: Instant) {
        var wanted: [UInt64] = []
        var newer = directory.missing(in: digest, limit: Self.recordsPerAnswer)
        let own = identity.nodeID.bytes.leadingUInt64
        for entry in digest.entries.prefix(ControlFrame.digestLimit) {
            let known = entry.node == own ? recordNumber : directory.number(beginning: entry.node)
            if known.map({ $0 < entry.number }) ?? true { wanted.append(entry.node) }
            guard let known, known > entry.number else { continue }
            if let encoded = entry.node == own ? ownRecord : directory.encoded(beginning: entry.node) {
                newer.append(encoded)
            }
        }
        if !wanted.isEmpty { send(.recordRequest(wanted), to: number, at: now) }
        sendRecords(newer, to: number, at: now)
    }
}
