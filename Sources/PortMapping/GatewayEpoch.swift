import SansIO

/// Tells from the seconds that a gateway counts since it started whether it has lost its mappings in between.
///
/// Source: RFC 6887 §8.5; NAT-PMP's rule (RFC 6886 §3.6) is the lower half of it.
struct GatewayEpoch: Sendable {
    private var last: (epochSeconds: Int64, at: Instant)?

    /// Whether `epochSeconds` continues what was heard before; what is heard first always does.
    mutating func isContinued(by epochSeconds: UInt32, at now: Instant) -> Bool {
        let current = Int64(epochSeconds)
        defer { last = (current, now) }
        guard let last else { return true }
        // Messages may overtake each other by a second.
        guard current >= last.epochSeconds - 1 else { return false }
        let elapsed = (now - last.at).nanoseconds / 1_000_000_000
        let counted = current - last.epochSeconds
        return elapsed + 2 >= counted - counted / 16 && counted + 2 >= elapsed - elapsed / 16
    }
}
