import SansIO

/// What other servers said, for as long as they allow and, when they do not answer any more, for a day longer (RFC 8767).
///
/// Bounded in entries and bytes: beyond, the least recently used of a few picked at random goes. A failure is remembered
/// beside the answer it could not replace, never instead of it.
struct AnswerCache: Sendable {
    /// What makes two questions one: name in lower case, type, and whether signatures or unchecked data are wanted.
    struct Key: Hashable, Sendable {
        var name: [UInt8]
        var type: RecordType
        var marks: UInt8

        init(name: [UInt8], query: Query) {
            self.name = name
            type = query.type
            marks = (query.wantsSignatures ? 1 : 0) | (query.flags.disablesChecking ? 2 : 0)
        }

        var wantsSignatures: Bool { marks & 1 != 0 }
        var disablesChecking: Bool { marks & 2 != 0 }
    }

    struct Entry: Sendable {
        let code: ResponseCode
        let answer: PreparedAnswer
        let ttlOffsets: [UInt16]
        let storedAt: Instant
        let freshUntil: Instant
        let staleUntil: Instant
        var lastUsed: Instant
        var hits = 0

        func age(at now: Instant) -> UInt32 { UInt32(clamping: (now - storedAt).nanoseconds / 1_000_000_000) }

        /// Whether it is popular, and so near its end that it should be asked for anew (a tenth of its time is left).
        func wantsRefresh(at now: Instant) -> Bool {
            hits >= 2 && now < freshUntil && (freshUntil - now).nanoseconds * 10 < (freshUntil - storedAt).nanoseconds
        }
    }

    private struct Slot: Sendable {
        var key: Key
        var entry: Entry
    }

    let settings: CacheSettings
    private var slots: [Slot] = []
    private var places: [Key: Int] = [:]
    private(set) var byteCount = 0
    private var failures: [Key: Instant] = [:]
    private static let failureLimit = 2048
    private static let overheadBytes = 200
    private var random = SeededRandom(seed: 0x6b6d)

    init(_ settings: CacheSettings) {
        self.settings = settings
    }

    var count: Int { slots.count }

    /// The entry, fresh or stale; counted as used.
    mutating func find(_ key: Key, at now: Instant) -> Entry? {
        guard let place = places[key] else { return nil }
        guard now < slots[place].entry.staleUntil else {
            remove(place)
            return nil
        }
        slots[place].entry.lastUsed = now
        slots[place].entry.hits += 1
        return slots[place].entry
    }

    /// Keeps what an upstream said; `nil` if it may not be kept at all.
    mutating func store(_ entry: Entry, for key: Key) {
        failures[key] = nil
        if let place = places[key] { remove(place) }
        places[key] = slots.count
        slots.append(Slot(key: key, entry: entry))
        byteCount += Self.bytes(key, entry)
        while slots.count > settings.entryLimit || byteCount > settings.byteLimit, slots.count > 1 { evict() }
    }

    /// Remembers that nobody could answer, so that the question is not put again at once (RFC 9520).
    mutating func noteFailure(_ key: Key, at now: Instant) {
        if failures.count >= Self.failureLimit { failures = failures.filter { $0.value > now } }
        guard failures.count < Self.failureLimit else { return }
        failures[key] = now + settings.failureTime
    }

    func hasFailed(_ key: Key, at now: Instant) -> Bool { failures[key].map { now < $0 } ?? false }

    mutating func removeAll() {
        (slots, places, failures, byteCount) = ([], [:], [:], 0)
    }

    /// A list for people, by name.
    func listing(at now: Instant) -> [CachedAnswer] {
        slots.filter { now < $0.entry.staleUntil }.map { slot in
            CachedAnswer(
                name: DomainName(checked: slot.key.name), type: slot.key.type, code: slot.entry.code,
                secondsLeft: Int((slot.entry.freshUntil - now).seconds.rounded(.up)), hits: slot.entry.hits,
                records: slot.entry.answer.message(
                    to: Message.Question(DomainName(checked: slot.key.name), slot.key.type)
                ).answers)
        }.sorted { ($0.name.description, $0.type.rawValue) < ($1.name.description, $1.type.rawValue) }
    }

    private static func bytes(_ key: Key, _ entry: Entry) -> Int {
        overheadBytes + key.name.count + entry.answer.bytes.count + 2 * entry.ttlOffsets.count
    }

    private mutating func evict() {
        // The last one is what was just stored.
        let candidates = (0..<8).map { _ in Int.random(in: 0..<(slots.count - 1), using: &random) }
        guard let oldest = candidates.min(by: { slots[$0].entry.lastUsed < slots[$1].entry.lastUsed }) else { return }
        remove(oldest)
    }

    private mutating func remove(_ place: Int) {
        let removed = slots[place]
        byteCount -= Self.bytes(removed.key, removed.entry)
        places[removed.key] = nil
        let last = slots.removeLast()
        guard place < slots.count else { return }
        slots[place] = last
        places[last.key] = place
    }
}

/// An answer that is kept, for listings.
package struct CachedAnswer: Equatable, Sendable {
    package let name: DomainName
    package let type: RecordType
    package let code: ResponseCode
    /// Negative when it is stale.
    package let secondsLeft: Int
    package let hits: Int
    package let records: [ResourceRecord]
}

/// Bounds of the cache.
package struct CacheSettings: Equatable, Sendable {
    package var entryLimit = 10_000
    package var byteLimit = 8 << 20
    package var positiveLimit: UInt32 = 3600
    /// RFC 2308 §5: denials for at most this many seconds.
    package var negativeLimit: UInt32 = 900
    /// How long after its end an answer may be given when no upstream answers (RFC 8767 §5).
    package var staleTime: Duration = .seconds(86400)
    /// What a stale answer's records say.
    package var staleTTL: UInt32 = 30
    /// How long a client waits before it gets a stale answer while upstreams are asked (RFC 8767 §5).
    package var staleDelay: Duration = .milliseconds(1800)
    /// For how long a failure keeps from asking again.
    package var failureTime: Duration = .seconds(5)

    package init() {}
}

extension AnswerCache.Entry {
    private static let sizeLimit = 60_000

    /// What an upstream's message to a question is worth; `nil` if it is too large to be handed on.
    init?(_ message: Message, to name: DomainName, _ settings: CacheSettings, at now: Instant) {
        var message = message
        let isDenial = message.answers.isEmpty || message.flags.responseCode == .nameError
        var ttl: UInt32?
        if isDenial {
            for record in message.authorities {
                if case .authority(let soa) = record.data { ttl = min(record.ttl, soa.minimum, settings.negativeLimit) }
            }
            ttl = ttl ?? 0
        }
        for record in message.answers { ttl = min(ttl ?? settings.positiveLimit, Self.sane(record.ttl)) }
        let limit = ttl ?? 0
        // All of it ends together, so nothing may claim to last longer.
        for part in [\Message.answers, \.authorities, \.additional] {
            for place in message[keyPath: part].indices { message[keyPath: part][place].ttl = limit }
        }
        answer = PreparedAnswer(
            to: name, answers: message.answers, authorities: message.authorities, additional: message.additional)
        guard answer.bytes.count <= Self.sizeLimit else { return nil }
        code = message.flags.responseCode
        ttlOffsets = answer.ttlOffsets
        storedAt = now
        freshUntil = now + .seconds(Int64(limit))
        staleUntil = freshUntil + settings.staleTime
        lastUsed = now
    }

    /// RFC 2181 §8: a TTL with the highest bit set is zero.
    private static func sane(_ ttl: UInt32) -> UInt32 { ttl > UInt32(Int32.max) ? 0 : ttl }
}
