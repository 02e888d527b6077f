/// Which of the latest counters have been received (RFC 6479): a ring of bits that moves a word at a time.
///
/// Check a counter before decrypting its packet and mark it afterwards, so that a forgery cannot move the window.
package struct ReplayWindow: Sendable {
    private static let wordCount: UInt64 = 128
    /// Counters this far behind the greatest are refused unseen. One word less than the ring, so that the words of
    /// the oldest and the newest counter are never the same.
    package static let size = (wordCount - 1) * 64
    /// Counters from here on are never valid (REJECT_AFTER_MESSAGES, paper §6.1).
    package static let counterLimit: UInt64 = .max - 1 << 13

    private var words = InlineArray<128, UInt64>(repeating: 0)
    /// One more than the greatest counter marked; zero at first.
    private var end: UInt64 = 0

    package init() {}

    /// Whether `counter` is new and not too old.
    package func accepts(_ counter: UInt64) -> Bool {
        guard counter < Self.counterLimit else { return false }
        if counter >= end { return true }
        return end - counter <= Self.size && words[Self.word(of: counter)] & Self.bit(of: counter) == 0
    }

    /// Records a counter that `accepts` let pass and whose packet proved authentic.
    package mutating func mark(_ counter: UInt64) {
        if counter >= end {
            let oldest = end == 0 ? 0 : (end - 1) / 64 + 1
            let newest = counter / 64
            if newest >= oldest {
                for word in max(oldest, newest - min(newest, Self.wordCount - 1))...newest {
                    words[Int(word % Self.wordCount)] = 0
                }
            }
            end = counter + 1
        }
        words[Self.word(of: counter)] |= Self.bit(of: counter)
    }

    private static func word(of counter: UInt64) -> Int { Int(counter / 64 % wordCount) }
    private static func bit(of counter: UInt64) -> UInt64 { 1 << (counter % 64) }
}
