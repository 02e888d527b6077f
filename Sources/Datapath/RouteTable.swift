package import Wire

/// Longest-prefix match from addresses to numbers, IPv4 and IPv6; built once, then only read.
///
/// Binary search on prefix lengths (Waldvogel, Varghese, Turner, Plattner: "Scalable High Speed IP Routing Lookups",
/// SIGCOMM 1997). All prefixes of one length are in a hash table; where the search would have to go on to longer ones
/// a *marker* stands, which carries the best match among the shorter. A mesh has two or three lengths, so a look-up is
/// two probes; for L different lengths it is at most ⌈log₂(L + 1)⌉.
package struct RouteTable: Sendable {
    private let v4: PrefixSearch
    private let v6: PrefixSearch

    package static let empty = RouteTable([])

    /// Of equal prefixes the last one counts. Preconditions: values are 0...Int32.max.
    package init(_ routes: [(prefix: IPPrefix, value: Int)]) {
        v4 = PrefixSearch(routes.filter { $0.prefix.isIPv4 })
        v6 = PrefixSearch(routes.filter { !$0.prefix.isIPv4 })
    }

    /// The value of the longest prefix that holds `address`.
    package func lookup(_ address: IPAddress) -> Int? {
        let value =
            switch address {
            case .v4(let address): v4.lookup(high: UInt64(address.rawValue) << 32, low: 0)
            case .v6(let address): v6.lookup(high: address.high, low: address.low)
            }
        return value >= 0 ? Int(value) : nil
    }
}

/// One family's prefixes, as the leading bits of a 128-bit number.
private struct PrefixSearch: Sendable {
    /// A prefix or a marker; `length` -1 is a free slot.
    private struct Slot: Sendable {
        var high: UInt64 = 0
        var low: UInt64 = 0
        var length: Int32 = -1
        /// The best match for addresses that reach this slot, -1 for none.
        var value: Int32 = -1
    }

    private struct Key: Hashable {
        var high: UInt64
        var low: UInt64
        var length: Int

        init(high: UInt64, low: UInt64, length: Int) {
            self.high = high & PrefixSearch.mask(min(length, 64))
            self.low = low & PrefixSearch.mask(max(length - 64, 0))
            self.length = length
        }
    }

    /// The different lengths, ascending, with their masks.
    private let lengths: [(length: Int32, highMask: UInt64, lowMask: UInt64)]
    private let slots: [Slot]

    init(_ routes: [(prefix: IPPrefix, value: Int)]) {
        var values: [Key: Int32] = [:]
        for route in routes { values[Self.key(of: route.prefix)] = Int32(route.value) }
        let lengths = Set(values.keys.map(\.length)).sorted()
        self.lengths = lengths.map {
            (Int32($0), Self.mask(min($0, 64)), Self.mask(max($0 - 64, 0)))
        }

        var entries = values
        for key in values.keys {
            for marker in Self.markers(of: key, lengths: lengths) where entries[marker] == nil {
                entries[marker] = Self.bestMatch(for: marker, among: values, lengths: lengths)
            }
        }
        slots = Self.hashTable(entries)
    }

    func lookup(high: UInt64, low: UInt64) -> Int32 {
        var best: Int32 = -1
        var first = 0
        var last = lengths.count &- 1
        while first <= last {
            let middle = (first &+ last) >> 1
            let candidate = lengths[middle]
            let found = find(high & candidate.highMask, low & candidate.lowMask, candidate.length)
            if let found {
                best = found
                first = middle &+ 1
            } else {
                last = middle &- 1
            }
        }
        return best
    }

    private func find(_ high: UInt64, _ low: UInt64, _ length: Int32) -> Int32? {
        let mask = slots.count &- 1
        var index = Self.hash(high, low, length) & mask
        while slots[index].length >= 0 {
            let slot = slots[index]
            if slot.high == high, slot.low == low, slot.length == length { return slot.value }
            index = (index &+ 1) & mask
        }
        return nil
    }

    // MARK: building

    private static func key(of prefix: IPPrefix) -> Key {
        switch prefix.address {
        case .v4(let address): Key(high: UInt64(address.rawValue) << 32, low: 0, length: prefix.length)
        case .v6(let address): Key(high: address.high, low: address.low, length: prefix.length)
        }
    }

    /// The shorter prefixes of `key` that the search for it passes.
    private static func markers(of key: Key, lengths: [Int]) -> [Key] {
        var markers: [Key] = []
        var first = 0
        var last = lengths.count - 1
        while first <= last {
            let middle = (first + last) / 2
            if lengths[middle] == key.length { break }
            if lengths[middle] < key.length {
                markers.append(Key(high: key.high, low: key.low, length: lengths[middle]))
                first = middle + 1
            } else {
                last = middle - 1
            }
        }
        return markers
    }

    private static func bestMatch(for marker: Key, among values: [Key: Int32], lengths: [Int]) -> Int32 {
        for length in lengths.reversed() where length < marker.length {
            if let value = values[Key(high: marker.high, low: marker.low, length: length)] { return value }
        }
        return -1
    }

    /// Open addressing with linear probing, at most half full.
    private static func hashTable(_ entries: [Key: Int32]) -> [Slot] {
        var capacity = 2
        while capacity < 2 * entries.count + 1 { capacity *= 2 }
        var slots = Array(repeating: Slot(), count: capacity)
        for (key, value) in entries {
            var index = hash(key.high, key.low, Int32(key.length)) & (capacity - 1)
            while slots[index].length >= 0 { index = (index + 1) & (capacity - 1) }
            slots[index] = Slot(high: key.high, low: key.low, length: Int32(key.length), value: value)
        }
        return slots
    }

    /// Multiplications of 64 by 64 bits, folded (the mixing step of wyhash).
    private static func hash(_ high: UInt64, _ low: UInt64, _ length: Int32) -> Int {
        let first = (high ^ 0xa076_1d64_78bd_642f).multipliedFullWidth(
            by: low ^ UInt64(truncatingIfNeeded: length) ^ 0xe703_7ed1_a0b4_28db)
        return Int(truncatingIfNeeded: first.high ^ first.low)
    }

    private static func mask(_ length: Int) -> UInt64 {
        length == 0 ? 0 : UInt64.max << UInt64(64 - length)
    }
}
