import Noise
import SansIO
import Simulator
import Testing

@testable import Mesh

/// What liveness costs a node that has nothing else to say.
@Suite struct LivenessTrafficTests {
    /// Bytes a second on the wire that node0 sends and receives, with the headers of IPv4 and UDP.
    private func rate(_ mesh: LivelyMesh) throws -> (sent: Double, received: Double) {
        func count() throws -> (sent: UInt64, received: UInt64) {
            let peers = try #require(mesh.mesh.hosts["node0"]).node.peers
            return peers.all.reduce((0, 0)) { sum, peer in
                let activity = peer.tunnel.activity
                return (
                    sum.0 + activity.bytesSent + 28 * activity.packetsSent,
                    sum.1 + activity.bytesReceived + 28 * activity.packetsReceived
                )
            }
        }
        let before = try count()
        mesh.mesh.run(for: .seconds(600))
        let after = try count()
        return (Double(after.sent - before.sent) / 600, Double(after.received - before.received) / 600)
    }

    @Test func `a node that offers something sends 230 bytes a second for it, and one that does not sends none`() throws
    {
        let idle = try rate(LivelyMesh(relays: 2, nodes: 3, offersServices: false))
        let lively = try rate(LivelyMesh(relays: 2, nodes: 3))
        #expect(lively.sent - idle.sent <= 230 && lively.received - idle.received <= 80)
        let others = LivelyMesh(relays: 2, nodes: 3, offersServices: false)
        others.offer("node2")
        others.mesh.run(for: .seconds(40))
        let bystander = try rate(others)
        #expect(bystander.sent - idle.sent <= 20, "some more for digests")
    }
}
