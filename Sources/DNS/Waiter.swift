/// A client's question that waits for an upstream's answer.
struct Waiter: Sendable {
    /// The shell's name for whoever asked.
    let token: UInt64
    let query: Query
    /// The query's bytes up to the end of the question.
    let question: [UInt8]
    let limitBytes: Int
    /// The name that was asked for.
    let name: DomainName
    /// The aliases that lead from there to `target`.
    var chain: [ResourceRecord] = []
    /// What is asked for now.
    var target: DomainName
    /// Names of the client's search path that come next if this one does not exist.
    var candidates: [DomainName] = []
    /// What is said when none of them exists, or nobody knows.
    var denial: PreparedAnswer?
    var hops = 0

    /// Ends chains of aliases that go in circles.
    static let hopLimit = 8
}
