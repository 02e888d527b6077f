import STUN
import SansIO
import Testing
import Wire

@testable import Traversal

@Suite struct MappingLifetimeTests {
    private let observer = Endpoint("198.51.100.1:20007")!
    private let mapped = Endpoint("203.0.113.7:40000")!

    /// What is found out behind a NAT that forgets after this time; `nil`: nobody sends.
    private func found(_ lifetime: Duration?, answers: Bool = true) -> (lifetime: NATLifetime?, after: Duration) {
        var random = SeededRandom(seed: 1)
        var machine = MappingLifetime(observer: observer)
        let start = Instant.zero + .seconds(5)
        var now = start
        var mappedAt = now
        var pending = machine.start(at: now, using: &random)
        while true {
            while !pending.isEmpty {
                switch pending.removeFirst() {
                case .send(let bytes, observer):
                    mappedAt = now
                    guard answers, let request = try? STUNMessage(parsing: bytes) else { break }
                    let answer = STUNMessage(.success, request.transaction, [.xorMappedAddress(mapped)]).encoded
                    pending += machine.receive(answer, from: observer, at: now)
                case .dialBack(mapped):
                    let outcome: NATDiscovery.DialOutcome =
                        lifetime.map { now - mappedAt < $0 ? .arrived(from: observer) : .missed } ?? .notSent
                    pending += machine.dialled(outcome, at: now, using: &random)
                case .done(let result): return (result, now - start)
                default: Issue.record("an unexpected action")
                }
            }
            guard let deadline = machine.nextDeadline else { return (nil, now - start) }
            now = deadline
            pending = machine.advance(to: now)
        }
    }

    @Test func `the time lies between the longest silence that a mapping survived and the next one`() {
        #expect(found(.seconds(30)).lifetime == .between(.seconds(20), .seconds(35)))
        #expect(found(.seconds(120)).lifetime == .between(.seconds(65), .seconds(125)))
        #expect(found(.seconds(10)).lifetime == .lessThan(.seconds(20)))
        let long = found(.seconds(600))
        #expect(long.lifetime == .atLeast(.seconds(245)) && long.after < .seconds(600))
    }

    @Test func `when nobody can help it ends and says nothing`() {
        #expect(found(nil).lifetime == nil)
        let silent = found(.seconds(30), answers: false)
        #expect(silent.lifetime == nil && silent.after < .seconds(5))
    }
}
