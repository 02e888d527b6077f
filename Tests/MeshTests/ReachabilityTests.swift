import Identity
import SansIO
import Testing
import Wire

@testable import Mesh

/// The rounds of tests by themselves.
@Suite struct ReachabilityTests {
    private typealias Helper = DialBackClient.Helper
    private let target = Endpoint("198.51.100.7:20007")!
    private let start = Instant.zero + .seconds(100)

    private func helpers(_ peers: Int...) -> [Helper] { peers.map { Helper(peer: $0, dialler: nil, isStranger: true) } }

    /// A round in which each helper has this result; whether the standing changed.
    private func round(
        _ reachability: inout Reachability, _ results: [DialBackClient.Result], at now: Instant
    ) -> Reachability.Standing {
        let helpers = results.indices.map { Helper(peer: $0, dialler: nil, isStranger: true) }
        let questions = reachability.begin([(target, helpers)], at: now)
        for (question, result) in zip(questions, results) { _ = reachability.finished(question, result, at: now) }
        return reachability.standing(of: target)
    }

    private func fresh() -> Reachability {
        var reachability = Reachability()
        reachability.setTargets([target], at: start)
        return reachability
    }

    private let arrived = DialBackClient.Result.arrived(socket: 0, from: Endpoint("203.0.113.1:5")!)

    @Test func `one nonce that arrives confirms an endpoint`() {
        var reachability = fresh()
        #expect(reachability.nextRound == start + Reachability.settlingTime)
        #expect(round(&reachability, [.missed, arrived, .notSent(nil)], at: start) == .confirmed(at: start))
        #expect(reachability.isConfirmed && !reachability.isRefuted)
    }

    @Test func `two helpers that sent in vain refute it, one only after three rounds`() {
        var both = fresh()
        #expect(round(&both, [.missed, .missed], at: start) == .refuted(since: start))
        var only = fresh()
        #expect(round(&only, [.missed, .notSent(.refused)], at: start) == .failing(rounds: 1, wasConfirmed: false))
        #expect(only.nextRound == start + Reachability.doubtInterval)
        #expect(round(&only, [.missed], at: start) == .failing(rounds: 2, wasConfirmed: false))
        #expect(round(&only, [.missed], at: start) == .refuted(since: start))
        #expect(only.isRefuted)
    }

    @Test func `what was confirmed counts until it is refuted, and can be confirmed again`() {
        var reachability = fresh()
        _ = round(&reachability, [arrived], at: start)
        _ = round(&reachability, [.missed], at: start + .seconds(1))
        #expect(reachability.isConfirmed)
        _ = round(&reachability, [.missed, .missed], at: start + .seconds(2))
        #expect(!reachability.isConfirmed)
        _ = round(&reachability, [arrived], at: start + .seconds(3))
        #expect(reachability.isConfirmed)
    }

    @Test func `a round in which nobody could help changes nothing`() {
        var reachability = fresh()
        #expect(round(&reachability, [.notSent(nil), .notSent(.overLimit)], at: start) == .untested)
        _ = round(&reachability, [arrived], at: start)
        #expect(round(&reachability, [.notSent(.noDialler)], at: start + .seconds(9)) == .confirmed(at: start))
        #expect(reachability.begin([(target, [])], at: start).isEmpty)
    }

    @Test func `targets and helpers are bounded, and one that is gone is forgotten`() {
        var reachability = Reachability()
        let many = (1...20).map { Endpoint("198.51.100.\($0):1")! }
        reachability.setTargets(many, at: start)
        #expect(reachability.targets.count == Reachability.targetLimit)
        let plan = many.map { (target: $0, helpers: helpers(1, 2, 3, 4, 5)) }
        #expect(reachability.begin(Array(plan.prefix(1)), at: start).count == Reachability.helperLimit)
        reachability.setTargets([], at: start)
        #expect(!reachability.isUnderWay && reachability.targets.isEmpty)
    }

    @Test func `a request is repeated until somebody says that it was sent and the nonce has had its time`() {
        var random = SeededRandom(seed: 1)
        var client = DialBackClient()
        let question = DialBackClient.Question(helper: helpers(1)[0], target: target)
        guard case .ask(let nonce, question)? = client.ask(question, at: start, using: &random).first else {
            Issue.record("a question is asked at once")
            return
        }
        #expect(client.answered(nonce, .sent, by: 2).isEmpty, "another peer's word is not heard")
        var actions: [DialBackClient.Action] = []
        while let deadline = client.nextDeadline { actions += client.advance(to: deadline) }
        #expect(
            actions == [.ask(nonce, question), .ask(nonce, question), .done(question, .notSent(nil))])
        #expect(client.arrived(nonce, on: 0, from: target) == nil, "too late")
    }

    @Test func `messages are read as they were written, and nothing else is`() throws {
        let nonce = DialBackNonce(high: 1, low: 2)
        let node = NodeID(Bytes32([UInt8](repeating: 7, count: 32))!)
        let messages: [ReachabilityMessage] = [
            .request(nonce: nonce, target: target, origin: .fresh, dialler: nil),
            .request(nonce: nonce, target: Endpoint("[2001:db8::1]:9")!, origin: .own, dialler: node),
            .errand(nonce: nonce, target: target, asker: node), .answer(nonce: nonce, .overLimit),
        ]
        var random = SeededRandom(seed: 2)
        for message in messages {
            let bytes = message.encoded
            #expect(try ReachabilityMessage(parsing: bytes) == message)
            for count in bytes.indices {
                #expect(throws: WireError.self) { try ReachabilityMessage(parsing: Array(bytes[..<count])) }
            }
            for _ in 0..<2000 {
                var mutated = bytes
                mutated[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
                _ = try? ReachabilityMessage(parsing: mutated)
            }
        }
        #expect(DialBackNonce(in: nonce.datagram) == nonce)
        #expect(nonce.datagram.count == 28)
    }
}
