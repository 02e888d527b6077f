import STUN
package import SansIO
package import Wire

/// Finds out how long a NAT keeps a mapping through which nothing passes, by waiting longer and longer.
///
/// ```
///   ask a member what we come from ── wait ── have it send to that from where we asked ── did it arrive?
/// ```
/// On a socket of its own, for it must be silent meanwhile. It takes up to nine minutes, and nobody waits for it.
package struct MappingLifetime: Sendable {
    package enum Action: Equatable, Sendable {
        case send([UInt8], to: Endpoint)
        /// Have the member send to `target` from the socket that we have asked.
        case dialBack(target: Endpoint)
        /// What was found out; `nil` when nobody could help.
        case done(NATLifetime?)
    }

    private enum State: Sendable {
        case asking
        case waiting(mapped: Endpoint, until: Instant)
        case calling
        case over
    }

    /// RFC 4787 §4.3 asks for two minutes at least and recommends five; many NATs have 30 s.
    package static let waits: [Duration] = [.seconds(20), .seconds(35), .seconds(65), .seconds(125), .seconds(245)]

    private let observer: Endpoint
    private var client = STUNClient()
    private var state = State.asking
    private var round = 0

    package init(observer: Endpoint) {
        self.observer = observer
    }

    package var nextDeadline: Instant? {
        switch state {
        case .asking: client.nextDeadline
        case .waiting(_, let end): end
        case .calling, .over: nil
        }
    }

    package mutating func start(at now: Instant, using random: inout some RandomNumberGenerator) -> [Action] {
        state = .asking
        return carryOut(client.ask(.init(observer, from: 0), at: now, using: &random), at: now)
    }

    package mutating func receive(_ datagram: [UInt8], from source: Endpoint, at now: Instant) -> [Action] {
        // What answers nothing is not ours.
        guard let clientActions = try? client.receive(datagram, from: source, on: 0, at: now) else { return [] }
        return carryOut(clientActions, at: now)
    }

    package mutating func advance(to now: Instant) -> [Action] {
        let actions = carryOut(client.advance(to: now), at: now)
        guard case .waiting(let mapped, let end) = state, end <= now else { return actions }
        state = .calling
        return actions + [.dialBack(target: mapped)]
    }

    /// What became of the `dialBack`.
    package mutating func dialled(
        _ outcome: NATDiscovery.DialOutcome, at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Action] {
        guard case .calling = state else { return [] }
        switch outcome {
        case .arrived:
            round += 1
            return round < Self.waits.count ? start(at: now, using: &random) : finish(.atLeast(Self.waits[round - 1]))
        case .missed:
            return finish(
                round == 0 ? .lessThan(Self.waits[0]) : .between(Self.waits[round - 1], Self.waits[round]))
        case .notSent: return finish(longest)
        }
    }

    private var longest: NATLifetime? { round > 0 ? .atLeast(Self.waits[round - 1]) : nil }

    private mutating func carryOut(_ clientActions: [STUNClient.Action], at now: Instant) -> [Action] {
        var actions: [Action] = []
        for action in clientActions {
            switch action {
            case .send(let bytes, from: _, let server): actions.append(.send(bytes, to: server))
            case .done(_, .answered(let answer)):
                state = .waiting(mapped: answer.mapped, until: now + Self.waits[round])
            case .done: actions += finish(longest)
            }
        }
        return actions
    }

    private mutating func finish(_ lifetime: NATLifetime?) -> [Action] {
        state = .over
        return [.done(lifetime)]
    }
}
