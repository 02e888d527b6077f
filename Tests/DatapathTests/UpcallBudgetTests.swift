import SansIO
import Testing
import Traversal
import Wire

@testable import Datapath

@Suite struct UpcallBudgetTests {
    private let start = Instant.zero + .seconds(10)
    private let path = Path.direct(Endpoint("192.0.2.1:20007")!)

    /// How many of so many are handed up, evenly spread over a second.
    private func handedUp(_ kind: DatagramKind, isKnown: Bool, of count: Int, by budget: inout UpcallBudget) -> Int {
        (0..<count).count { number in
            let now = start + .nanoseconds(number * 1_000_000_000 / count)
            if case .success = budget.admit(kind, along: path, isKnown: isKnown, at: now) { return true }
            return false
        }
    }

    @Test func `STUN in a peer's name takes little of the control thread, and nothing of what peers have`() {
        var budget = UpcallBudget(now: start)
        let forged = handedUp(.stun, isKnown: true, of: 20_000, by: &budget)
        let peers = handedUp(.answer, isKnown: true, of: 2000, by: &budget)
        let strangers = handedUp(.stun, isKnown: false, of: 1000, by: &budget)
        #expect(forged <= 1500 && peers == 2000 && strangers == 1000)
    }

    @Test func `STUN as peers use it is never held back`() {
        var budget = UpcallBudget(now: start)
        let count = handedUp(.stun, isKnown: true, of: 900, by: &budget)
        #expect(count == 900)
    }
}
