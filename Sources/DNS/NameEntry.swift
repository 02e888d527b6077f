import Services

/// A name of a zone of ours and all that is known of it; a name without sets is there because others lie below it.
final class NameEntry: Sendable {
    /// The records of one type, as an answer.
    struct RecordSet: Sendable {
        var type: RecordType
        var answer: PreparedAnswer
    }

    /// Which of two entries of one name counts: a container may be called as a node is.
    enum Rank: UInt8, Comparable, Sendable {
        case emptyNonTerminal
        case container
        case node
        case service

        static func < (left: Rank, right: Rank) -> Bool { left.rawValue < right.rawValue }
    }

    /// In lower case.
    let wire: [UInt8]
    let rank: Rank
    /// Most names have one set, and it is reached without another step.
    private let first: RecordSet?
    private let others: [RecordSet]
    /// Where an alias leads.
    let alias: DomainName?
    /// The service whose own name this is.
    let service: ServiceOwner?

    init(
        _ name: DomainName, rank: Rank, sets: [RecordSet] = [], alias: DomainName? = nil, service: ServiceOwner? = nil
    ) {
        wire = name.wire.asciiLowercased
        self.rank = rank
        first = sets.first
        others = sets.count > 1 ? Array(sets[1...]) : []
        self.alias = alias
        self.service = service
    }

    var tableHash: UInt64 { NameHash.of(wire[...]) }
    var hasRecords: Bool { first != nil }

    @inline(__always)
    func answer(of type: RecordType) -> PreparedAnswer? {
        guard let first else { return nil }
        if first.type == type { return first.answer }
        for set in others where set.type == type { return set.answer }
        return nil
    }
}

/// An entry's place in the table, with its hash beside it, so that a search touches no other entries.
struct NameSlot: Hashed {
    let tableHash: UInt64
    let entry: NameEntry

    init(_ entry: NameEntry) {
        tableHash = entry.tableHash
        self.entry = entry
    }
}

/// A service as far as names made from its endpoints' addresses depend on it.
final class ServiceOwner: Sendable {
    let name: DomainName
    let service: ServiceName
    var namespace: String { service.namespace }
    /// Those that have a named port, as bits by their place in `TransportProtocol.allCases`.
    private let transports: UInt8
    /// Whether there are names for zones of endpoints below `_zone`.
    let isZonal: Bool

    init(name: DomainName, service: ServiceName, transports: Set<TransportProtocol>, isZonal: Bool) {
        self.name = name
        self.service = service
        self.transports = TransportProtocol.allCases.enumerated().reduce(0) { bits, transport in
            transports.contains(transport.element) ? bits | 1 << UInt8(transport.offset) : bits
        }
        self.isZonal = isZonal
    }

    /// Whether a label is `_tcp`, `_udp` or `_sctp`, and there is a named port of that kind.
    func hasPorts(below label: [UInt8]) -> Bool {
        TransportProtocol.allCases.enumerated().contains { place, transport in
            transports >> UInt8(place) & 1 == 1 && transport.dnsLabel == label
        }
    }
}

extension TransportProtocol {
    /// RFC 2782: `_tcp` and its like.
    var dnsLabel: [UInt8] { Array("_\(description.lowercased())".utf8) }
}
