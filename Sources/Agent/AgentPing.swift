import ControlAPI
import Linux
import Mesh
import SansIO
import Wire

/// A `meshctl ping` that is under way.
struct PingSession {
    let connection: ControlServer.ConnectionID
    let peer: Int
    let node: String
    let count: Int
    let timer: EventLoop.Timer
    var sent = 0
    var replies: [Duration] = []
    var isWaiting = false
}

// Requests of `meshctl ping`.
extension Agent {
    static let pingTimeout: Duration = .seconds(3)
    static let pingInterval: Duration = .milliseconds(500)

    func beginPing(_ target: String, _ count: Int, on connection: ControlServer.ConnectionID) -> Reply? {
        guard let mesh else { return .failure(Self.isDown) }
        let peer: Int
        switch nodeToAsk(target, on: mesh) {
        case .success(let number): peer = number
        case .failure(let failure): return .failure(failure)
        }
        let token = takeToken()
        let timer = loop.makeTimer { [self] in assumeIsolated { $0.advancePing(token) } }
        pings[token] = PingSession(
            connection: connection, peer: peer, node: mesh.node.peerName(peer), count: count, timer: timer)
        sendPing(token)
        return nil
    }

    private func sendPing(_ token: UInt64) {
        guard let session = pings[token] else { return }
        pings[token]?.sent += 1
        pings[token]?.isWaiting = true
        loop.set(session.timer, to: SystemClock.now + Self.pingTimeout)
        withMesh { mesh in mesh.perform { node, now in node.ping(session.peer, token: token, at: now) } }
    }

    func receivePong(_ token: UInt64, _ roundTripTime: Duration, along path: Path, endpoint: Endpoint?) {
        if receiveTracePong(token, roundTripTime) { return }
        guard let session = pings[token], session.isWaiting else { return }
        var pong = Pong(sequence: session.sent, node: session.node, path: path)
        pong.endpoint = endpoint
        pong.roundTripTime = roundTripTime
        finishRound(token, pong)
    }

    /// The time for a reply is over, or that for the next ping has come.
    private func advancePing(_ token: UInt64) {
        guard let session = pings[token] else { return }
        if session.isWaiting {
            finishRound(token, Pong(sequence: session.sent, node: session.node, path: .none))
        } else {
            sendPing(token)
        }
    }

    private func finishRound(_ token: UInt64, _ pong: Pong) {
        guard let session = pings[token] else { return }
        pings[token]?.isWaiting = false
        if let roundTripTime = pong.roundTripTime { pings[token]?.replies.append(roundTripTime) }
        control.reply(.pong(pong), to: session.connection)
        if session.sent < session.count, control.isOpen(session.connection) {
            loop.set(session.timer, to: SystemClock.now + Self.pingInterval)
            return
        }
        loop.cancel(session.timer)
        pings[token] = nil
        let replies = session.replies + [pong.roundTripTime].compactMap { $0 }
        var summary = PingSummary(sent: session.sent, received: replies.count)
        summary.minimum = replies.min()
        summary.maximum = replies.max()
        if !replies.isEmpty { summary.mean = replies.reduce(.zero, +) / replies.count }
        control.reply(.pingSummary(summary), to: session.connection)
    }
}
