import SansIO
import Testing
import Traversal

@Suite struct SearchBudgetTests {
    private let start = Instant.zero + .seconds(1000)

    @Test func `one search with a peer in ten minutes`() {
        var budget = SearchBudget()
        #expect(budget.begin(with: 1, at: start) == nil)
        #expect(budget.begin(with: 1, at: start + .seconds(599)) == .tooSoon)
        #expect(budget.begin(with: 1, at: start + .seconds(600)) == nil)
    }

    @Test func `another network is worth another search, but no more than the host may have in all`() {
        var budget = SearchBudget()
        var begun = 0
        for second in 0..<100 {
            budget.networkChanged(at: start + .seconds(second))
            if budget.begin(with: 1, at: start + .seconds(second)) == nil { begun += 1 }
        }
        #expect(begun == SearchBudget.hostLimit)
    }

    @Test func `many peers share the host's searches`() {
        var budget = SearchBudget()
        let outcomes = (1...1000).map { peer in budget.begin(with: peer, at: start) }
        #expect(outcomes.count { $0 == nil } == SearchBudget.hostLimit)
        #expect(outcomes.last == .busy)
    }

    @Test func `a search that the peer had no time for does not count`() {
        var budget = SearchBudget()
        #expect(budget.begin(with: 1, at: start) == nil)
        budget.forgive(1)
        #expect(budget.begin(with: 1, at: start) == nil)
    }
}
