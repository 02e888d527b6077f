import Crypto
package import Identity
package import Mesh
import SansIO
import Wire

// Meshes and those who join them.
extension Simulation {
    /// A host that creates a mesh and keeps its root key.
    package func createMesh(
        _ name: String, in places: [Place], configuration: NodeConfiguration = NodeConfiguration()
    ) -> Host {
        guard let nodeName = NodeName(name), let range = IPPrefix("10.128.0.0/9") else {
            preconditionFailure("\(name) is no name for a node")
        }
        let identity = NodeIdentity.createMesh(name: nodeName, ipv4Range: range, now: wallTime(), using: &keys)
        return addHost(name, identity, in: places, configuration: configuration)
    }

    /// A token of a host that may invite; `nil` if it may not.
    package func token(from host: Host, uses: UInt32 = 100_000) -> JoinToken? {
        var terms = Issuer.InviteTerms()
        terms.uses = uses
        var token: JoinToken?
        // A refusal shows as the missing token.
        with(host) { node, now in token = try? node.invite(on: terms, at: now) }
        return token
    }

    /// A host that joins with a token. Precondition: the token is good for this name and time.
    @discardableResult
    package func join(
        _ name: String, with token: JoinToken, in places: [Place], port: UInt16 = 20_007,
        configuration: NodeConfiguration = NodeConfiguration()
    ) -> Host {
        guard let nodeName = NodeName(name),
            // What is wrong with the token is the caller's mistake, as the name is.
            let identity = try? NodeIdentity.join(token, name: nodeName, now: wallTime(), using: &keys)
        else { preconditionFailure("\(name) cannot join with this token") }
        var restored = Node.Restored()
        restored.bootstrap = token.bootstrap
        return addHost(name, identity, in: places, port: port, configuration: configuration, restored: restored)
    }
}
