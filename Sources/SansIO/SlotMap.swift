/// Values by a small dense slot, named outside by an identifier that carries the slot in its low 16 bits and random bits
/// above, so that a lookup is an array access and a comparison, and a stale identifier finds nothing.
///
/// WireGuard receiver indices (32 bits) and relay circuit identifiers (64 bits) are made so. Everything is inlinable, for
/// unspecialised each call would cost several times as much.
package struct SlotMap<Value: Sendable>: Sendable {
    @usableFromInline struct Slot: Sendable {
        @usableFromInline var identifier: UInt64
        @usableFromInline var value: Value

        @inlinable init(identifier: UInt64, value: Value) {
            self.identifier = identifier
            self.value = value
        }
    }

    @usableFromInline var slots: [Slot?] = []
    @usableFromInline var free: [Int] = []
    @usableFromInline let limit: Int
    @usableFromInline let identifierBits: UInt64
    @usableFromInline var valueCount = 0

    @inlinable package var count: Int { valueCount }

    /// Preconditions: `limit` is 1...65,536 and `identifierBits` is 32 or 64.
    @inlinable package init(limit: Int, identifierBits: Int) {
        precondition((1...65_536).contains(limit) && (identifierBits == 32 || identifierBits == 64))
        self.limit = limit
        self.identifierBits = UInt64(identifierBits)
    }

    /// Returns the new identifier, never 0, or `nil` when all slots are taken.
    @inlinable package mutating func insert(
        _ value: Value, using random: inout some RandomNumberGenerator
    ) -> UInt64? {
        let slot: Int
        if let reused = free.popLast() {
            slot = reused
        } else if slots.count < limit {
            slot = slots.count
            slots.append(nil)
        } else {
            return nil
        }
        let randomBits = UInt64.random(in: 1..<(UInt64(1) << (identifierBits - 16)), using: &random)
        let identifier = randomBits << 16 | UInt64(slot)
        slots[slot] = Slot(identifier: identifier, value: value)
        valueCount += 1
        return identifier
    }

    @inlinable package subscript(identifier: UInt64) -> Value? {
        get {
            let slot = Int(identifier & 0xffff)
            guard slot < slots.count, let entry = slots[slot], entry.identifier == identifier else { return nil }
            return entry.value
        }
        set {
            let slot = Int(identifier & 0xffff)
            guard slot < slots.count, slots[slot]?.identifier == identifier else { return }
            guard let newValue else {
                slots[slot] = nil
                free.append(slot)
                valueCount -= 1
                return
            }
            slots[slot]?.value = newValue
        }
    }

    /// As `entries`, one after the other, without making a list of them.
    @inlinable package func forEach(_ body: (UInt64, Value) -> Void) {
        for index in slots.indices {
            if let slot = slots[index] { body(slot.identifier, slot.value) }
        }
    }

    /// Identifiers and values in slot order.
    @inlinable package var entries: [(identifier: UInt64, value: Value)] {
        slots.compactMap { slot in slot.map { ($0.identifier, $0.value) } }
    }
}
