/// Strings kept once each, in one block of bytes, and known by a small number.
///
/// Pods' names make most of the strings of a large cluster; apart, each would cost a header and a heap block of its own.
struct NameTable: Sendable {
    /// Stands for "no name"; the empty string has it too.
    static let none: UInt32 = 0

    private var bytes: [UInt8] = []
    /// Where each name ends; it begins where the one before ends. Name 0 is empty.
    private var ends: [UInt32] = [0]
    /// Open addressing, at most half full: the upper half of an entry is of the name's hash, the lower its number.
    /// Zero is a free place.
    private var places = [UInt64](repeating: 0, count: 64)

    var count: Int { ends.count - 1 }

    /// The number of a name, given out now if the name is new.
    mutating func number(of name: String?) -> UInt32 {
        guard let name, !name.isEmpty else { return Self.none }
        if ends.count * 2 > places.count { grow() }
        let hash = Self.hash(name)
        var place = Int(hash) & (places.count - 1)
        while places[place] != 0 {
            if places[place] >> 32 == hash, isNamed(UInt32(truncatingIfNeeded: places[place]), name) {
                return UInt32(truncatingIfNeeded: places[place])
            }
            place = (place + 1) & (places.count - 1)
        }
        let number = UInt32(ends.count)
        bytes.append(contentsOf: name.utf8)
        ends.append(UInt32(bytes.count))
        places[place] = UInt64(hash) << 32 | UInt64(number)
        return number
    }

    /// The number of a name that is known; `nil` for any other.
    func existingNumber(of name: String) -> UInt32? {
        guard !name.isEmpty else { return nil }
        let hash = Self.hash(name)
        var place = Int(hash) & (places.count - 1)
        while places[place] != 0 {
            let number = UInt32(truncatingIfNeeded: places[place])
            if places[place] >> 32 == hash, isNamed(number, name) { return number }
            place = (place + 1) & (places.count - 1)
        }
        return nil
    }

    /// The name with a number that this table gave out; `nil` for "no name".
    func name(_ number: UInt32) -> String? {
        number == Self.none ? nil : String(decoding: bytes[range(number)], as: UTF8.self)
    }

    private func range(_ number: UInt32) -> Range<Int> { Int(ends[Int(number) - 1])..<Int(ends[Int(number)]) }

    private func isNamed(_ number: UInt32, _ name: String) -> Bool { bytes[range(number)].elementsEqual(name.utf8) }

    private mutating func grow() {
        let old = places
        places = [UInt64](repeating: 0, count: old.count * 2)
        for entry in old where entry != 0 {
            var place = Int(entry >> 32) & (places.count - 1)
            while places[place] != 0 { place = (place + 1) & (places.count - 1) }
            places[place] = entry
        }
    }

    private static func hash(_ name: String) -> UInt32 { UInt32(truncatingIfNeeded: name.hashValue) }
}
