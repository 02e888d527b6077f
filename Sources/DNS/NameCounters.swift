/// What a server of names did since it started.
package struct NameCounters: Equatable, Sendable {
    /// All that came, bad or good.
    package var queries: UInt64 = 0
    package var overStreams: UInt64 = 0
    /// Dropped without an answer: too short, or themselves answers.
    package var dropped: UInt64 = 0
    /// Answered from zones of this host, with data or with a denial.
    package var authoritative: UInt64 = 0
    /// Answered from the cache, fresh and stale.
    package var cached: UInt64 = 0
    package var stale: UInt64 = 0
    /// Sent on, and joined to a question that was on its way.
    package var forwarded: UInt64 = 0
    package var joined: UInt64 = 0
    /// Answered along the client's search path.
    package var searched: UInt64 = 0
    /// Asked for anew before they ended.
    package var prefetched: UInt64 = 0
    /// Not sent on because too many were on their way, or waited.
    package var overloaded: UInt64 = 0
    /// Datagrams of upstreams that belonged to no question.
    package var strays: UInt64 = 0
    /// Answers by the four lower bits of their code.
    package var codes: [UInt64] = Array(repeating: 0, count: 16)

    package init() {}

    mutating func count(_ code: ResponseCode) { codes[Int(code.rawValue & 15)] += 1 }
}
