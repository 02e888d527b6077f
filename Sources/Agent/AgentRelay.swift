import ControlAPI
import Linux
import Mesh
import Relay
import SansIO

/// Somebody waits until this node may stop to be a relay.
struct RelayDrain {
    let continuation: CheckedContinuation<Void, Never>
    let timer: EventLoop.Timer
    let deadline: Instant
}

// Requests of `meshctl relay`, and the relay's end in good order.
extension Agent {
    private static let drainCheckInterval: Duration = .milliseconds(50)

    /// Before the mesh goes: whoever depends on this node as a relay finds another way first. Returns at once if nobody does.
    func drainRelay() async {
        guard withMesh({ mesh in mesh.perform { node, now in node.prepareToLeave(at: now) } }) == true else { return }
        await withCheckedContinuation { continuation in
            let identifier = takeToken()
            let timer = loop.makeTimer { [self] in assumeIsolated { $0.checkDrain(identifier) } }
            let deadline = SystemClock.now + Node.leavingDrainTime
            drains[identifier] = RelayDrain(continuation: continuation, timer: timer, deadline: deadline)
            checkDrain(identifier)
        }
    }

    private func checkDrain(_ identifier: UInt64) {
        guard let drain = drains[identifier] else { return }
        let now = SystemClock.now
        if mesh?.node.isDraining == true, now < drain.deadline {
            loop.set(drain.timer, to: now + Self.drainCheckInterval)
            return
        }
        loop.cancel(drain.timer)
        drains[identifier] = nil
        drain.continuation.resume()
    }

    /// Takes the mesh down and answers when the relay has drained.
    func beginDown(on connection: ControlServer.ConnectionID) -> Reply? {
        Task(executorPreference: loop) { await self.finishDown(on: connection) }
        return nil
    }

    private func finishDown(on connection: ControlServer.ConnectionID) async {
        await drainRelay()
        control.reply(takeDown(), to: connection)
    }

    func relay(_ action: Request.RelayAction) -> Reply {
        guard let mesh else { return .failure(Self.isDown) }
        let command: Node.RelayCommand? =
            switch action {
            case .on: .on
            case .off: .off
            case .drain: .drain(within: Node.drainTime)
            case .status: nil
            }
        if let command {
            mesh.perform { node, now in node.setRelaying(command, at: now) }
            scheduleMesh()
        }
        return .relayStatus(RelayStatus(mesh.node, at: SystemClock.now))
    }
}

extension ControlAPI.RelayStatus {
    fileprivate init(_ node: Node, at now: Instant) {
        let status = node.relayStatus
        let state: State
        var reason: String?
        switch status.state {
        case .on: state = .on
        case .off:
            state = .off
            reason =
                node.configuration.isRelayAllowed
                ? "switched off until 'meshctl relay on', or until meshd restarts" : "relay.enabled is false"
        case .draining(let deadline):
            state = .draining
            reason = "what is left ends in \(max(0, (deadline - now).components.seconds)) s"
        case .unreachable:
            state = .unable
            reason = "nobody has reached this node unasked"
        case .notPermitted:
            state = .unable
            reason = "it joined with a token of 'meshctl invite --no-relay'"
        }
        self.init(
            state: state, reason: reason, circuits: status.circuits,
            circuitLimit: status.circuitLimit)
        bytes = status.total.bytes
        droppedPackets = status.total.droppedPackets
        members = status.members.map { member in
            Member(
                name: member.name, circuits: member.circuits, bytes: member.counts.bytes,
                droppedPackets: member.counts.droppedPackets)
        }
        refusals = status.refusals.sorted { $0.key.rawValue < $1.key.rawValue }
            .map { Status.Counter($0.key.text, UInt64($0.value)) }
    }
}

extension RelayServer.Refusal {
    fileprivate var text: String {
        switch self {
        case .relayingIsOff: "relaying is off"
        case .notPermitted: "not permitted"
        case .targetUnreachable: "target unreachable"
        case .tooManyCircuits: "too many circuits"
        case .draining: "draining"
        }
    }
}
