import ControlAPI
import Identity
import Linux
import Mesh
import SansIO
import Services
import Traversal
import Wire

/// A `meshctl trace` that waits for the answers of its hops.
struct TraceSession {
    let connection: ControlServer.ConnectionID
    var trace: Trace
    /// The ping on its way to each hop after the first, by its token, with the hop's place.
    var waiting: [UInt64: Int]
    let timer: EventLoop.Timer
}

/// A `meshctl why` that waits for another node's answer.
struct InquirySession {
    let connection: ControlServer.ConnectionID
    let from: String
    let to: String
    let timer: EventLoop.Timer
}

// Requests of `meshctl` about the ways that packets take.
extension Agent {
    static let inquiryTimeout: Duration = .seconds(5)

    // MARK: trace

    func beginTrace(_ target: String, on connection: ControlServer.ConnectionID) -> Reply? {
        guard let mesh else { return .failure(Self.isDown) }
        let peer: Int
        switch nodeToAsk(target, on: mesh) {
        case .success(let number): peer = number
        case .failure(let failure): return .failure(failure)
        }
        let origin = Trace.Hop(.origin, mesh.node.identity.name.description)
        let hops = mesh.node.hops(to: peer)
        let name = mesh.node.peerName(peer)
        guard !hops.isEmpty else {
            return .failure(
                Failure(.failed, "there is no path to \(name) at this moment", nextStep: "see meshctl why \(name)"))
        }
        var trace = Trace(target: name, hops: [origin])
        var waiting: [UInt64: Int] = [:]
        for (index, hop) in hops.enumerated() {
            let role: Trace.Hop.Role = index == hops.count - 1 ? .node : .relay
            trace.hops.append(Trace.Hop(role, hop.name, endpoint: hop.endpoint))
            waiting[takeToken()] = index + 1
        }
        let session = takeToken()
        let timer = loop.makeTimer { [self] in assumeIsolated { $0.finishTrace(session) } }
        traces[session] = TraceSession(connection: connection, trace: trace, waiting: waiting, timer: timer)
        loop.set(timer, to: SystemClock.now + Self.pingTimeout)
        withMesh { mesh in
            for (token, place) in waiting.sorted(by: { $0.value < $1.value }) {
                mesh.perform { node, now in node.ping(hops[place - 1].peer, token: token, at: now) }
            }
        }
        return nil
    }

    /// Whether a pong was a trace's.
    func receiveTracePong(_ token: UInt64, _ roundTripTime: Duration) -> Bool {
        guard
            let (session, place) = traces.lazy.compactMap({ entry in entry.value.waiting[token].map { (entry.key, $0) }
            })
            .first
        else { return false }
        traces[session]?.waiting[token] = nil
        traces[session]?.trace.hops[place].roundTripTime = roundTripTime
        if traces[session]?.waiting.isEmpty == true { finishTrace(session) }
        return true
    }

    private func finishTrace(_ identifier: UInt64) {
        guard let session = traces.removeValue(forKey: identifier) else { return }
        loop.cancel(session.timer)
        control.reply(.trace(session.trace), to: session.connection)
    }

    // MARK: why

    /// Why packets from a node, this one if `from` is `nil`, to another take the way they take; or what becomes of a client of
    /// this node that wants a service. An address is a service's, an endpoint's or a container's before it is a node's; a name
    /// is a node's before it is a service's.
    func beginWhy(from: String?, to: String, on connection: ControlServer.ConnectionID) -> Reply? {
        guard let mesh else { return .failure(Self.isDown) }
        let own = mesh.node.identity.name.description
        guard let from, from != own else { return beginExplaining(to, on: mesh, connection) }
        let asked: Int
        switch nodeToAsk(from, on: mesh) {
        case .success(let number): asked = number
        case .failure(let failure): return .failure(failure)
        }
        guard let subject = mesh.node.nodeID(named: to) else {
            guard case .success = mesh.services.catalog.service(meantBy: to) else { return .failure(Self.unknown(to)) }
            return .failure(
                Failure(
                    .usage, "what \(from) gets of a service is known on \(from) alone",
                    nextStep: "run meshctl why \(to) on \(from)"))
        }
        guard subject != mesh.node.nodeID(named: from) else {
            return .failure(Failure(.usage, "\(to) needs no way to itself", nextStep: "name two different nodes"))
        }
        let name = mesh.node.peerName(asked)
        let token = takeToken()
        let isSent = withMesh { mesh in
            mesh.perform { node, now in node.inquire(of: asked, about: subject, token: token, at: now) }
        }
        guard isSent == true else {
            return .failure(
                Failure(
                    .failed, "\(name) cannot be asked, for there is no tunnel to it",
                    nextStep: "see meshctl why \(name), or ask on \(name) itself"))
        }
        let timer = loop.makeTimer { [self] in assumeIsolated { $0.giveUpInquiry(token) } }
        inquiries[token] = InquirySession(connection: connection, from: name, to: to, timer: timer)
        loop.set(timer, to: SystemClock.now + Self.inquiryTimeout)
        return nil
    }

    private func beginExplaining(
        _ text: String, on mesh: MeshService, _ connection: ControlServer.ConnectionID
    ) -> Reply? {
        var address: IPAddress?
        if case .address(let meant)? = ServiceTarget(text)?.subject { address = meant }
        let isNode = mesh.node.nodeID(named: text) != nil || mesh.node.peer(named: text) != nil
        if address != nil || !isNode {
            switch beginExplainingService(text, on: mesh, connection) {
            case .now(let reply): return reply
            case .later: return nil
            case .nothing: break
            }
        }
        return explain(address?.description ?? text, on: mesh)
    }

    private func explain(_ target: String, on mesh: MeshService) -> Reply {
        if mesh.node.nodeID(named: target) == mesh.node.identity.nodeID { return .failure(Self.isThisNode(target)) }
        guard let peer = mesh.node.peer(named: target),
            let explanation = mesh.node.explanation(of: peer, at: SystemClock.now)
        else { return .failure(Self.unknown(target)) }
        let own = mesh.node.identity.name.description
        return .explanation(.init(explanation, from: own, to: mesh.node.peerName(peer)))
    }

    func receiveExplanation(_ token: UInt64, _ explanation: Mesh.Explanation?) {
        guard let session = inquiries.removeValue(forKey: token) else { return }
        loop.cancel(session.timer)
        guard let explanation else {
            control.reply(
                .failure(
                    Failure(
                        .failed, "\(session.from) knows no node called \(session.to)",
                        nextStep: "see meshctl peers on \(session.from)")), to: session.connection)
            return
        }
        control.reply(
            .explanation(.init(explanation, from: session.from, to: session.to)), to: session.connection)
    }

    private func giveUpInquiry(_ token: UInt64) {
        guard let session = inquiries.removeValue(forKey: token) else { return }
        loop.cancel(session.timer)
        control.reply(
            .failure(
                Failure(
                    .failed, "\(session.from) did not answer in time", nextStep: "see meshctl why \(session.from)")),
            to: session.connection)
    }

    func takeToken() -> UInt64 {
        defer { nextPingToken += 1 }
        return nextPingToken
    }

    // MARK: whom a request names

    /// Another node, by its name or an address inside its prefixes, that can be asked over the mesh.
    func nodeToAsk(_ target: String, on mesh: MeshService) -> Result<Int, Failure> {
        let node = mesh.node
        if node.nodeID(named: target) == node.identity.nodeID { return .failure(Self.isThisNode(target)) }
        guard let peer = node.peer(named: target) else { return .failure(Self.unknown(target)) }
        guard !node.isClient(peer) else {
            return .failure(
                Failure(
                    .failed, "\(node.peerName(peer)) is a WireGuard client, which answers nothing of the mesh",
                    nextStep: "ping its address, which 'meshctl wireguard list' shows"))
        }
        return .success(peer)
    }

    private static func isThisNode(_ target: String) -> Failure {
        Failure(.failed, "\(target) is this node itself", nextStep: "name another one of 'meshctl peers'")
    }

    static func unknown(_ target: String) -> Failure {
        let problem =
            IPAddress(target) == nil ? "no node is called \(target)" : "no node of the mesh has the address \(target)"
        return Failure(.failed, problem, nextStep: "see meshctl peers")
    }
}

extension ControlAPI.Explanation {
    init(_ explanation: Mesh.Explanation, from: String, to: String) {
        let steps = explanation.steps.map { step in
            let outcome: Outcome =
                switch step.outcome {
                case .good: .good
                case .failed: .failed
                case .doubtful: .doubtful
                }
            return Step(step.name, outcome, step.findings)
        }
        self.init(from: from, to: to, verdict: explanation.verdict, steps: steps, nextStep: explanation.nextStep)
    }
}
