import SansIO
import Testing

@testable import Mesh

/// Listening for one peer.
@Suite struct EarTests {
    private static let start = Instant.zero + .seconds(10)
    private static let manner = Ear.Manner(
        patience: .milliseconds(900), questions: 5, answerTime: .milliseconds(500), vigour: .seconds(30))

    /// Lets timers fire on time until `end`, and says when what was asked for.
    private func run(
        _ ear: inout Ear, until end: Instant, roundTrip: Duration? = nil
    ) -> [(at: Duration, action: Ear.Action)] {
        var actions: [(at: Duration, action: Ear.Action)] = []
        while ear.nextDeadline <= end {
            let now = ear.nextDeadline
            if let action = ear.advance(to: now, roundTrip: roundTrip) { actions.append((now - Self.start, action)) }
        }
        return actions
    }

    @Test func `silence is asked about five times, and called so after 1.4 seconds`() {
        var ear = Ear(Self.manner, lastHeard: Self.start)
        let actions = run(&ear, until: Self.start + .milliseconds(1500))
        #expect(actions.map(\.at) == [900, 1000, 1100, 1200, 1300, 1400].map { .milliseconds($0) })
        #expect(actions.map(\.action) == [.ask, .ask, .ask, .ask, .ask, .fellSilent])
        #expect(ear.isSilent)
    }

    @Test func `an answer ends the questions, and what came before them is none`() {
        var ear = Ear(Self.manner, lastHeard: Self.start)
        _ = run(&ear, until: Self.start + .milliseconds(1000))
        let late = ear.hear(at: Self.start + .milliseconds(850))
        #expect(!late && ear.nextDeadline == Self.start + .milliseconds(1100))
        let wasSilent = ear.hear(at: Self.start + .milliseconds(1050))
        #expect(!wasSilent && ear.nextDeadline == Self.start + .milliseconds(1950))
    }

    @Test func `who answers after long round trips is waited for, but no longer than a second`() {
        for (roundTrip, verdict) in [(400, 1500), (600, 1800), (5000, 1900)] as [(Int64, Int64)] {
            var ear = Ear(Self.manner, lastHeard: Self.start)
            let actions = run(&ear, until: Self.start + .seconds(2), roundTrip: .milliseconds(roundTrip))
            let fell = actions.first { $0.action == .fellSilent }
            #expect(fell?.at == .milliseconds(verdict))
        }
    }

    @Test func `a host that slept asks before it calls anybody silent, and begins anew when it sleeps while it asks`() {
        var ear = Ear(Self.manner, lastHeard: Self.start)
        let awake = Self.start + .seconds(3600)
        #expect(ear.advance(to: awake, roundTrip: nil) == .ask)
        let again = awake + .seconds(3600)
        #expect(ear.advance(to: again, roundTrip: nil) == .ask)
        #expect(!ear.isSilent && ear.nextDeadline == again + Ear.interval)
        let wasSilent = ear.hear(at: again + .milliseconds(50))
        #expect(!wasSilent)
        #expect(ear.state == .listening)
    }

    @Test func `the silent are asked on, ever more seldom, and are back with the first word`() {
        var ear = Ear(Self.manner, lastHeard: Self.start)
        let asked = run(&ear, until: Self.start + .seconds(3600)).dropFirst(6)
        #expect(asked.allSatisfy { $0.action == .ask })
        let pauses = zip(asked, asked.dropFirst()).map { $1.at - $0.at }
        #expect(pauses.first == .milliseconds(500) && pauses.last == .seconds(10))
        #expect(zip(pauses, pauses.dropFirst()).allSatisfy { $0 <= $1 })
        let now = Self.start + .seconds(3601)
        let wasSilent = ear.hear(at: now)
        #expect(wasSilent && ear.nextDeadline == now + .milliseconds(900))
    }

    @Test func `a goodbye is silence at once`() {
        var ear = Ear(Self.manner, lastHeard: Self.start)
        ear.silence(at: Self.start + .milliseconds(10))
        #expect(ear.isSilent)
        let wasSilent = ear.hear(at: Self.start + .milliseconds(20))
        #expect(wasSilent)
    }
}
