import SansIO
import Testing

@testable import Traversal

@Suite struct PortSearchTests {
    private static let start = Instant.zero + .seconds(100)

    /// Serves every deadline of a search to its end, and returns how it ended and when.
    private func ending(
        of search: PortSearch, _ sourceLocation: SourceLocation = #_sourceLocation
    ) -> (outcome: PortSearch.Outcome, after: Duration)? {
        var search = search
        var last = Instant.zero
        while let due = search.nextDeadline {
            // A deadline that has been served must not be due again: who waits for it would never sleep.
            guard due > last else {
                Issue.record("the deadline stays at \(due - Self.start)", sourceLocation: sourceLocation)
                return nil
            }
            last = due
            for case .ended(let outcome) in search.advance(to: due) { return (outcome, due - Self.start) }
        }
        return nil
    }

    @Test func `a search that nobody answers repeats its offer, and ends after three seconds`() throws {
        let end = try #require(ending(of: PortSearch.offer(run: 1, allocation: .any, at: Self.start).search))
        #expect(end.outcome == .abandoned && end.after == .seconds(3))
    }

    @Test func `an opener that is accepted before a third node has spoken waits for that one in peace`() throws {
        var random = SeededRandom(seed: 1)
        var search = PortSearch.offer(run: 1, allocation: .any, at: Self.start).search
        let actions = search.receive(.accept(run: 1), at: Self.start + .milliseconds(80), using: &random)
        #expect(actions.isEmpty)
        let end = try #require(ending(of: search))
        #expect(end.outcome == .abandoned && end.after == .seconds(3))
    }

    @Test func `an opener keeps its sockets open for sixteen seconds, in batches, and no longer`() throws {
        var random = SeededRandom(seed: 1)
        var search = PortSearch.offer(run: 1, allocation: .any, at: Self.start).search
        _ = search.attested(at: Self.start, using: &random)
        _ = search.receive(.accept(run: 1), at: Self.start, using: &random)
        #expect(search.socketCount == 32)
        let end = try #require(ending(of: search))
        #expect(end.outcome == .exhausted && end.after == PortSearch.searchTime)
    }

    @Test func `a prober that hears no go gives up after three seconds, without a probe`() throws {
        var random = SeededRandom(seed: 1)
        var search = PortSearch.answer(run: 1, allocation: .any, at: Self.start)
        _ = search.attested(at: Self.start, using: &random)
        let end = try #require(ending(of: search))
        #expect(end.outcome == .abandoned && end.after == .seconds(3))
        #expect(search.probeCount == 0)
    }
}
