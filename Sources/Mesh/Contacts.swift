import SansIO
import Wire

/// Addresses that this node has sent to lately: what comes from one of them is no proof that strangers get in.
struct Contacts: Sendable {
    static let limit = 4096
    /// Longer than NATs and stateful firewalls keep an idle UDP mapping (RFC 4787 §4.3).
    static let memory: Duration = .seconds(600)
    /// Old ones are looked for no more often, for that looks at all.
    static let sweepInterval: Duration = .seconds(10)

    private var lastSent: [IPAddress: Instant] = [:]
    private var sweptAt: Instant?

    var count: Int { lastSent.count }

    mutating func note(_ address: IPAddress, at now: Instant) {
        if lastSent.count >= Self.limit / 4, sweptAt.map({ now - $0 >= Self.sweepInterval }) ?? true {
            sweptAt = now
            lastSent = lastSent.filter { now - $0.value <= Self.memory }
        }
        if lastSent.count < Self.limit || lastSent[address] != nil { lastSent[address] = now }
    }

    /// Whether something of ours may have opened the way for what comes from an address. When there are too many to
    /// remember, it may for all.
    func mayInclude(_ address: IPAddress, at now: Instant) -> Bool {
        guard let last = lastSent[address] else { return lastSent.count >= Self.limit }
        return now - last <= Self.memory
    }
}
