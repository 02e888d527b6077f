import Wire

/// Which numbered things an address belongs to, in eight bytes for each pair; the holder of the things confirms a match.
struct AddressIndex: Sendable {
    /// Open addressing, at most half full: the upper half of an entry is of the address's hash, the lower the thing's
    /// number plus one. Zero is a free place.
    private var places = [UInt64](repeating: 0, count: 64)
    private(set) var count = 0

    /// A pair that is there already is there twice then.
    mutating func insert(_ address: IPAddress, _ number: Int) {
        if (count + 1) * 2 > places.count { grow() }
        put(Self.entry(address, number))
        count += 1
    }

    /// Takes a pair away once; without effect where there is none.
    mutating func remove(_ address: IPAddress, _ number: Int) {
        let entry = Self.entry(address, number)
        let mask = places.count - 1
        var hole = Int(entry >> 32) & mask
        while places[hole] != entry {
            guard places[hole] != 0 else { return }
            hole = (hole + 1) & mask
        }
        // Entries behind the hole that could not stand nearer to their own place move up (Knuth 6.4, algorithm R).
        var next = hole
        while true {
            next = (next + 1) & mask
            guard places[next] != 0 else { break }
            let home = Int(places[next] >> 32) & mask
            if (next - home) & mask >= (next - hole) & mask {
                places[hole] = places[next]
                hole = next
            }
        }
        places[hole] = 0
        count -= 1
    }

    /// Numbers that may go with an address, each once, in no order; some of them may belong to another address.
    func candidates(for address: IPAddress) -> [Int] {
        let hash = Self.hash(address)
        var found: [Int] = []
        var place = Int(hash) & (places.count - 1)
        while places[place] != 0 {
            if places[place] >> 32 == UInt64(hash) {
                let number = Int(UInt32(truncatingIfNeeded: places[place])) - 1
                if !found.contains(number) { found.append(number) }
            }
            place = (place + 1) & (places.count - 1)
        }
        return found
    }

    private mutating func put(_ entry: UInt64) {
        var place = Int(entry >> 32) & (places.count - 1)
        while places[place] != 0 { place = (place + 1) & (places.count - 1) }
        places[place] = entry
    }

    private mutating func grow() {
        let old = places
        places = [UInt64](repeating: 0, count: old.count * 2)
        for entry in old where entry != 0 { put(entry) }
    }

    private static func entry(_ address: IPAddress, _ number: Int) -> UInt64 {
        UInt64(hash(address)) << 32 | UInt64(number + 1)
    }

    private static func hash(_ address: IPAddress) -> UInt32 { UInt32(truncatingIfNeeded: address.hashValue) }
}
