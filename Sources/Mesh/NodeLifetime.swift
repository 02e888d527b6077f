import SansIO
import Traversal
import Wire

/// The measurement of a mapping's lifetime that is under way.
struct LifetimeRun: Sendable {
    var member: Int
    var machine: MappingLifetime
}

// How long the NAT keeps a silent mapping: found out in the background, once for each NAT.
extension Node {
    static let lifetimeSocket = ProbeSocket(number: 8, isIPv4: true)

    /// Begins to measure, where there is a NAT, its lifetime is not known and a member can help.
    mutating func measureLifetime(at now: Instant) {
        guard lifetimeRun == nil, let report = discovery.report?.ipv4, report.connectivity == .works,
            report.lifetime == .unknown(.notYet), report.mapping.value != MappingBehavior.none,
            let helper = lifetimeHelper
        else { return }
        lifetimeRun = LifetimeRun(member: helper.member, machine: MappingLifetime(observer: helper.endpoint))
        actions.append(.openProbes([Self.lifetimeSocket]))
    }

    /// A member that we have a direct path to, so that what it sees and what it sends to are one mapping.
    private var lifetimeHelper: (member: Int, endpoint: Endpoint)? {
        for peer in peers.all where peer.isMember && peer.hasSession {
            if case .direct(let endpoint)? = peer.paths.current, endpoint.address.isIPv4, !endpoint.isLink,
                !endpoint.address.isPrivate
            {
                return (peer.number, endpoint)
            }
        }
        return nil
    }

    /// The socket for it is open, if it could be opened.
    mutating func lifetimeSocketOpened(_ isOpen: Bool, at now: Instant) {
        guard isOpen else {
            lifetimeRun = nil
            return
        }
        carryOut(lifetimeRun?.machine.start(at: now, using: &random) ?? [], at: now)
    }

    mutating func receiveLifetime(_ datagram: [UInt8], from source: Endpoint, at now: Instant) {
        carryOut(lifetimeRun?.machine.receive(datagram, from: source, at: now) ?? [], at: now)
    }

    mutating func advanceLifetime(to now: Instant) {
        carryOut(lifetimeRun?.machine.advance(to: now) ?? [], at: now)
    }

    mutating func dialledForLifetime(_ outcome: NATDiscovery.DialOutcome, at now: Instant) {
        carryOut(lifetimeRun?.machine.dialled(outcome, at: now, using: &random) ?? [], at: now)
    }

    /// The network is another one: what is being measured means nothing any more.
    mutating func abandonLifetime() {
        guard lifetimeRun != nil else { return }
        lifetimeRun = nil
        deadlines.remove(.lifetime)
        actions.append(.closeProbes([Self.lifetimeSocket.number]))
    }

    private mutating func carryOut(_ lifetimeActions: [MappingLifetime.Action], at now: Instant) {
        for action in lifetimeActions {
            guard let run = lifetimeRun else { return }
            switch action {
            case .send(let bytes, let server):
                noteSent(to: server, at: now)
                actions.append(.probe(bytes, from: Self.lifetimeSocket.number, to: server))
            case .dialBack(let target):
                let question = DialBackClient.Question(
                    helper: .init(peer: run.member, dialler: nil, isStranger: false), target: target, origin: .own,
                    purpose: .lifetime)
                carryOut(dialBacks.ask(question, at: now, using: &random), at: now)
            case .done(let lifetime):
                if let lifetime { discovery.report?.ipv4.lifetime = .known(lifetime) }
                abandonLifetime()
            }
        }
        deadlines.set(lifetimeRun?.machine.nextDeadline, for: .lifetime)
    }
}
