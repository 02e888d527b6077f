import Identity
import SansIO
import Traversal
import Wire

/// Asks members to send a nonce to endpoints of ours, and waits for it.
///
/// A request is sent up to three times, for it may be lost as the nonce may; each makes the helper send one datagram. That a
/// nonce did not come counts against an endpoint only when the helper said that it sent.
struct DialBackClient: Sendable {
    /// Who dials: a member that we ask itself, or one that we ask another to pass the request to.
    struct Helper: Hashable, Sendable {
        /// The peer that the request goes to.
        var peer: Int
        /// Who is to dial instead of it.
        var dialler: NodeID?
        /// Nothing of ours has gone to its address, so that no NAT expects anything from there.
        var isStranger: Bool
    }

    struct Question: Hashable, Sendable {
        var helper: Helper
        var target: Endpoint
        var origin: DialBackOrigin = .fresh
        var purpose = Purpose.reachability
    }

    /// Whose question it is.
    enum Purpose: Hashable, Sendable {
        case reachability
        case discovery(NATDiscovery.FilterTest, isIPv4: Bool)
        case lifetime
    }

    enum Result: Equatable, Sendable {
        /// On which of our sockets, and from where.
        case arrived(socket: Int, from: Endpoint)
        /// It was sent and did not arrive.
        case missed
        /// Nobody says that it was sent.
        case notSent(DialBackOutcome?)
    }

    enum Action: Equatable, Sendable {
        case ask(DialBackNonce, Question)
        case done(Question, Result)
    }

    private struct Probe: Sendable {
        var question: Question
        var sentCount = 1
        var nextAt: Instant
        var outcome: DialBackOutcome?
    }

    static let limit = 64
    static let waits: [Duration] = [.milliseconds(300), .milliseconds(400), .milliseconds(800)]

    private var probes: [DialBackNonce: Probe] = [:]
    private var order: [DialBackNonce] = []

    var nextDeadline: Instant? { probes.values.map(\.nextAt).min() }

    /// Begins to ask. When too many questions are under way nothing is sent, which `done` says at once.
    mutating func ask(
        _ question: Question, at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Action] {
        guard probes.count < Self.limit else { return [.done(question, .notSent(nil))] }
        let nonce = DialBackNonce(using: &random)
        probes[nonce] = Probe(question: question, nextAt: now + Self.waits[0])
        order.append(nonce)
        return [.ask(nonce, question)]
    }

    /// A helper, or the member that passed the request on, told what became of it.
    mutating func answered(_ nonce: DialBackNonce, _ outcome: DialBackOutcome, by peer: Int) -> [Action] {
        guard let probe = probes[nonce], probe.question.helper.peer == peer else { return [] }
        // A later repetition may be refused for its rate: that one was sent counts.
        if probe.outcome != .sent { probes[nonce]?.outcome = outcome }
        switch outcome {
        case .sent, .overLimit: return []
        case .refused, .noDialler: return probe.outcome == .sent ? [] : finish(nonce, .notSent(outcome))
        }
    }

    /// A nonce came in on a socket of ours; `nil` when it is none that we wait for.
    mutating func arrived(_ nonce: DialBackNonce, on socket: Int, from source: Endpoint) -> [Action]? {
        probes[nonce] == nil ? nil : finish(nonce, .arrived(socket: socket, from: source))
    }

    mutating func advance(to now: Instant) -> [Action] {
        var actions: [Action] = []
        for nonce in order {
            guard let probe = probes[nonce], probe.nextAt <= now else { continue }
            if probe.sentCount >= Self.waits.count {
                actions += finish(nonce, probe.outcome == .sent ? .missed : .notSent(probe.outcome))
            } else {
                probes[nonce]?.sentCount += 1
                probes[nonce]?.nextAt = now + Self.waits[probe.sentCount]
                actions.append(.ask(nonce, probe.question))
            }
        }
        return actions
    }

    private mutating func finish(_ nonce: DialBackNonce, _ result: Result) -> [Action] {
        guard let probe = probes.removeValue(forKey: nonce) else { return [] }
        order.removeAll { $0 == nonce }
        return [.done(probe.question, result)]
    }
}

extension DialBackClient.Result {
    /// What it means for who wants to know about a NAT.
    var outcome: NATDiscovery.DialOutcome {
        switch self {
        case .arrived(_, let source): .arrived(from: source)
        case .missed: .missed
        case .notSent: .notSent
        }
    }
}
