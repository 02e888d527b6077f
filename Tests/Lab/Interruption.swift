import Glibc
import Synchronization

/// Ctrl-C and the like, turned into an error that unwinds to where the lab is taken down.
package enum Interruption {
    private static let requested = Atomic(false)
    private static let ignored = Atomic(0)

    /// From here on SIGINT, SIGTERM and SIGHUP make whatever the lab waits for throw `.interrupted`.
    package static func listen() {
        for number in [SIGINT, SIGTERM, SIGHUP] {
            signal(number) { _ in Interruption.requested.store(true, ordering: .relaxed) }
        }
    }

    package static func check() throws(LabError) {
        if requested.load(ordering: .relaxed), ignored.load(ordering: .relaxed) == 0 { throw .interrupted }
    }

    /// Runs `body` to its end even if an interruption was asked for: for taking things down.
    static func ignoring(_ body: () -> Void) {
        ignored.add(1, ordering: .relaxed)
        defer { ignored.subtract(1, ordering: .relaxed) }
        body()
    }
}

/// Asks `condition` again and again until it holds.
///
/// - Parameter what: completes the sentence "... did not happen within 5 seconds".
package func wait(
    for what: String, within limit: Duration, condition: () throws(LabError) -> Bool
) throws(LabError) {
    let clock = ContinuousClock()
    let deadline = clock.now + limit
    while try !condition() {
        try Interruption.check()
        guard clock.now < deadline else { throw .deadline(what: what, after: limit) }
        usleep(10_000)
    }
}
