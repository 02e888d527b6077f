import ControlAPI
import Linux
import Mesh
import SansIO

/// A `meshctl netcheck` that is under way.
struct NetcheckSession {
    let connection: ControlServer.ConnectionID
    let startedAt: Instant
    let timer: EventLoop.Timer
}

// Finding out anew what stands between this host and others, for somebody who waits for it.
extension Agent {
    /// What is not known by then is not waited for.
    static let netcheckTimeout: Duration = .milliseconds(4700)
    private static let netcheckInterval: Duration = .milliseconds(50)
    private static let netcheckLimit = 16

    func beginNetcheck(on connection: ControlServer.ConnectionID) -> Reply? {
        guard let mesh else { return .failure(Self.isDown) }
        guard netchecks.count < Self.netcheckLimit else {
            return .failure(Failure(.failed, "too many checks are under way", nextStep: "wait for one of them"))
        }
        let token = nextNetcheckToken
        nextNetcheckToken += 1
        let timer = loop.makeTimer { [self] in assumeIsolated { $0.advanceNetcheck(token) } }
        netchecks[token] = NetcheckSession(connection: connection, startedAt: SystemClock.now, timer: timer)
        mesh.perform { node, now in node.checkNetwork(at: now) }
        scheduleMesh()
        loop.set(timer, to: SystemClock.now + Self.netcheckInterval)
        return nil
    }

    private func advanceNetcheck(_ token: UInt64) {
        guard let session = netchecks[token] else { return }
        let elapsed = SystemClock.now - session.startedAt
        let isOver = elapsed >= Self.netcheckTimeout || mesh == nil || !control.isOpen(session.connection)
        guard isOver || mesh?.node.isCheckingNetwork == false else {
            loop.set(session.timer, to: SystemClock.now + Self.netcheckInterval)
            return
        }
        netchecks[token] = nil
        loop.cancel(session.timer)
        let reply = mesh.map { Reply.netcheck($0.netcheck(after: elapsed)) } ?? .failure(Self.isDown)
        control.reply(reply, to: session.connection)
    }
}
