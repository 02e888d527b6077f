import Identity
import SansIO
import Testing
import Wire

@testable import Mesh

/// Who is dead, from what is said and what was heard.
@Suite struct LivenessJudgementTests {
    private func node(_ number: UInt8) -> NodeID { NodeID(Bytes32([UInt8](repeating: number, count: 32))!) }

    /// `said`: author, watchers, silent. This node is 0.
    private func verdict(
        _ said: [(UInt8, [UInt8], [UInt8])], heard: [UInt8] = [], unanswered: [UInt8] = [], unconfirmed: [UInt8] = []
    ) -> (dead: [UInt8], unwitnessed: [UInt8]) {
        var statements: [NodeID: LivenessJudgement.Statement] = [:]
        for (author, watchers, silent) in said {
            statements[node(author)] = .init(watchers: watchers.map(node), silent: Set(silent.map(node)))
        }
        let unknown = Set(unconfirmed.map(node))
        let verdict = LivenessJudgement(
            statements: statements, heard: Set((heard + [0]).map(node)), unanswered: Set(unanswered.map(node)),
            isUnconfirmed: { unknown.contains($0) }
        ).verdict
        return (verdict.dead.map(\.bytes.bytes[0]).sorted(), verdict.unwitnessed.map(\.bytes.bytes[0]).sorted())
    }

    @Test func `all watchers must say it, and nobody else's word counts`() {
        #expect(verdict([(1, [2, 3], []), (2, [], [1]), (3, [], [])]).dead.isEmpty)
        #expect(verdict([(1, [2, 3], []), (2, [], [1]), (3, [], [1])]).dead == [1])
        #expect(verdict([(1, [2, 3], []), (4, [], [1]), (5, [], [1])]).dead.isEmpty)
        #expect(verdict([(1, [], []), (4, [], [1]), (5, [], [1])]).dead.isEmpty)
    }

    @Test func `whom this node hears is alive whatever is said`() {
        #expect(verdict([(1, [2, 3], []), (2, [], [1]), (3, [], [1])], heard: [1]).dead.isEmpty)
    }

    @Test func `a watcher that died with whom it watched hides nothing`() {
        // 1 is watched by 2 and 3; 2 died too, and is watched by 3 and 4.
        #expect(verdict([(1, [2, 3], []), (2, [3, 4], []), (3, [], [1, 2]), (4, [], [2])]).dead == [1, 2])
        // As long as nobody says so of 2, it may still speak for 1.
        #expect(verdict([(1, [2, 3], []), (2, [3, 4], []), (3, [], [1, 2]), (4, [], [])]).dead.isEmpty)
    }

    @Test func `watchers of each other are dead only where somebody says so`() {
        #expect(verdict([(1, [2], []), (2, [1], [])]).dead.isEmpty)
        #expect(verdict([(1, [2, 3], []), (2, [1, 3], []), (3, [], [1, 2])]).dead == [1, 2])
        #expect(verdict([(1, [2], []), (2, [1], [])], unanswered: [2]).dead == [2])
        #expect(verdict([(1, [2], []), (2, [1], [])], unanswered: [2]).unwitnessed == [1])
    }

    @Test func `whose watchers are gone is told apart`() {
        // The only relay does not answer: nobody is left to speak for those behind it.
        let behind: [(UInt8, [UInt8], [UInt8])] = [(1, [9], []), (2, [9], []), (9, [1, 2], [])]
        let verdict = verdict(behind, unanswered: [9])
        #expect(verdict.dead == [9] && verdict.unwitnessed == [1, 2])
        let heard = self.verdict(behind, heard: [2], unanswered: [9])
        #expect(heard.dead.isEmpty && heard.unwitnessed.isEmpty, "2 is a watcher of 9, and says nothing against it")
        // A watcher that offers nothing, and so has none itself, counts as gone when it does not answer.
        #expect(self.verdict([(1, [9], [])], unanswered: [9]).unwitnessed == [1])
        #expect(self.verdict([(1, [9], [])]).unwitnessed.isEmpty)
    }

    @Test func `what is known from disk alone is no life, unless a living watcher speaks for it`() {
        #expect(verdict([(1, [2], []), (2, [1], [])], unconfirmed: [1, 2]).unwitnessed == [1, 2])
        #expect(verdict([(1, [2], []), (2, [1], [])], heard: [2], unconfirmed: [1, 2]).unwitnessed.isEmpty)
    }

    @Test(arguments: 0..<200) func `statements are read as they were written, and noise is refused without harm`(
        seed: UInt64
    ) throws {
        var random = SeededRandom(seed: seed)
        func nodes(_ limit: Int) -> [UInt64] {
            (0..<Int.random(in: 0...limit, using: &random)).map { _ in random.next() }
        }
        let statement = LivenessStatement(watchers: nodes(3), silent: nodes(20))
        #expect(try LivenessStatement(parsing: statement.encoded) == statement)
        var noise = statement.encoded
        for _ in 0..<Int.random(in: 0...3, using: &random) where !noise.isEmpty {
            noise[Int.random(in: 0..<noise.count, using: &random)] ^= UInt8.random(in: 1...255, using: &random)
        }
        noise.removeLast(Int.random(in: 0...noise.count, using: &random))
        if let read = try? LivenessStatement(parsing: noise) { #expect(read.encoded.count <= noise.count) }
    }
}
