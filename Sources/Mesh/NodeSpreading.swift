import Identity
import SansIO
import Wire

// How records spread. In a small mesh whoever learns one passes it on to all. In a large one it passes it on to a few drawn at
// random; those that keep us as an anchor are told a little later that there is news, and ask for what has not come by then.
// Digests find what was missed.
extension Node {
    static let digestInterval: Duration = .seconds(10)
    /// Anchors that a digest is sent to in each round; the others have their turn in later ones.
    static let digestsPerRound = 3
    /// Records sent in answer to one digest; the next one asks for more.
    static let recordsPerAnswer = 64
    /// How long news waits before it is passed on. It is another time for each node and piece, so that not all speak at once.
    private static let spreadingPause: ClosedRange<Int64> = 10...60

    /// Up to so many nodes are known: every record is passed on to all as it is.
    static let smallMesh = 32
    /// In larger meshes, peers that a record is passed on to as it is. Others are told its number alone, and ask for it when nobody
    /// else has brought it (Leitão, Pereira, Rodrigues: Epidemic Broadcast Trees, SRDS 2007, §3.2; but drawn anew for each record,
    /// so that no tree has to be mended when its nodes die).
    static let eagerLimit = 4
    /// How long news is collected for those who are told its number.
    static let newsPause: Duration = .milliseconds(250)
    /// How long one who was told of a record waits for others to bring it, and then for each that it asks.
    static let newsPatience: Duration = .milliseconds(200)
    /// How long a peer that asked for news is told of it. It asks again with each digest, which every anchor gets twice a minute.
    static let newsInterest: Duration = .seconds(90)

    /// A record is news: it is passed on soon to all that are not known to have it.
    mutating func spread(_ record: NodeRecord, from number: Int?, at now: Instant) {
        let node = record.nodeID
        let holders = [number, peers.number(ofNode: node)].compactMap(\.self)
        spreading.add(node, number: record.number, knownTo: holders)
        guard deadlines.deadline(of: .spreading) == nil else { return }
        let pause = Duration.milliseconds(Int64.random(in: Self.spreadingPause, using: &random))
        deadlines.set(now + pause, for: .spreading)
    }

    /// Passes on what waited, to each peer in as few frames as possible.
    mutating func passOn(at now: Instant) {
        let members = peers.connectedMembers
        let isForAll = directory.count <= Self.smallMesh
        var records: [Int: [[UInt8]]] = [:]
        for (node, holders) in spreading.takeAll() {
            guard let encoded = directory.encoded(of: node) else { continue }
            let chosen = isForAll ? members.filter { !holders.contains($0) } : some(of: members, without: holders)
            for number in chosen { records[number, default: []].append(encoded) }
            if !isForAll { spreading.tellLater(node, knownTo: holders.union(chosen)) }
        }
        for number in members {
            if let batch = records[number] { sendRecords(batch, to: number, at: now) }
        }
        if !isForAll, deadlines.deadline(of: .telling) == nil { deadlines.set(now + Self.newsPause, for: .telling) }
    }

    /// Peers that a record is passed on to. When few lack it some may not be found; they are told of it.
    private mutating func some(of members: [Int], without holders: Set<Int>) -> [Int] {
        var chosen: [Int] = []
        for _ in 0..<4 * Self.eagerLimit where chosen.count < Self.eagerLimit {
            guard let number = members.randomElement(using: &random) else { break }
            if !holders.contains(number), !chosen.contains(number) { chosen.append(number) }
        }
        return chosen
    }

    /// Tells those who want to know which records are news.
    mutating func tellNews(at now: Instant) {
        var news: [Int: [RecordNews.Entry]] = [:]
        let interested = peers.connectedMembers.filter { peers.wantsNews($0, at: now) }
        for (node, holders) in spreading.takeUntold() {
            let prefix = node.bytes.leadingUInt64
            guard let number = directory.number(beginning: prefix) else { continue }
            for peer in interested where !holders.contains(peer) {
                news[peer, default: []].append(RecordNews.Entry(node: prefix, number: number))
            }
        }
        for peer in interested {
            for part in RecordNews.split(news[peer] ?? []) { send(.extended(.news, part.encoded), to: peer, at: now) }
        }
    }

    /// From now on an anchor tells us of news. In a small mesh everything comes unasked.
    mutating func askForNews(_ number: Int, at now: Instant) {
        guard directory.count > Self.smallMesh / 2 else { return }
        send(.extended(.news, RecordNews(entries: []).encoded), to: number, at: now)
    }

    /// A peer has records: those that we lack are asked for unless they come by themselves.
    mutating func receiveNews(_ payload: [UInt8], from number: Int, at now: Instant) {
        guard let news = try? RecordNews(parsing: payload) else {
            counters.malformedFrames += 1
            return
        }
        if news.entries.isEmpty { peers[number]?.newsWantedUntil = now + Self.newsInterest }
        let own = identity.nodeID.bytes.leadingUInt64
        for entry in news.entries where entry.node != own {
            if let known = directory.number(beginning: entry.node), known >= entry.number {
                if let node = directory.node(beginning: entry.node) { spreading.note(node, isKnownTo: number) }
            } else if !spreading.noteMissing(entry, at: number, askedAt: now + Self.newsPatience) {
                counters.newsLeftOut += 1
            }
        }
        if deadlines.deadline(of: .news) == nil { deadlines.set(spreading.nextDeadline, for: .news) }
    }

    /// Asks for what nobody has brought. The answer may be lost, or the one who is asked gone: then another who told of it is asked.
    mutating func askForMissing(at now: Instant) {
        let wanted = spreading.takeMissing(at: now, retryAt: now + Self.newsPatience) { entry in
            directory.number(beginning: entry.node).map { $0 >= entry.number } ?? false
        }
        for (number, nodes) in wanted {
            for start in stride(from: 0, to: nodes.count, by: ControlFrame.digestLimit) {
                let part = nodes[start..<min(start + ControlFrame.digestLimit, nodes.count)]
                send(.recordRequest(Array(part)), to: number, at: now)
            }
        }
        deadlines.set(spreading.nextDeadline, for: .news)
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
            askForNews(number, at: now)
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
