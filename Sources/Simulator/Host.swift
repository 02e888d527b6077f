package import Datapath
package import Identity
package import Mesh
package import SansIO
import Wire

/// One host of a simulation: the node value, the plain packet path, its interfaces, and what is on its disk.
package final class Host {
    package enum Condition: Equatable, Sendable {
        case running
        /// Stopped where it stood; its sockets still receive, as far as their buffers go.
        case suspended
        /// Gone without a word.
        case dead
    }

    package struct Happening: Sendable {
        package var at: Instant
        package var event: NodeEvent
    }

    /// Datagrams that a suspended host's sockets hold.
    static let socketBufferLimit = 256

    package let name: String
    /// Its place in `Simulation.hosts`.
    package let index: Int
    package let port: UInt16
    package internal(set) var node: Node
    package internal(set) var path = PlainPath()
    package internal(set) var condition = Condition.running
    package internal(set) var interfaces: [Fabric.InterfaceID] = []
    /// What survives the host's death.
    package internal(set) var disk: Disk
    package internal(set) var identity: NodeIdentity
    /// What the node reported, over all its lives.
    package internal(set) var happenings: [Happening] = []
    /// Packets that reached the TUN and state changes, while the simulation records.
    package internal(set) var delivered: [[UInt8]] = []
    package internal(set) var saved: [Node.StateChange] = []
    package internal(set) var deliveredCount = 0
    package internal(set) var forwardedCount = 0
    /// How far the wall clock is ahead of the simulation's.
    package internal(set) var wallLead: Duration = .zero
    /// What the host does to frames that it relays; `nil`: as it should.
    package var relaying: LineConditions?
    var relayLine = Line()
    /// Sockets beside the main one, each connected to one remote, by the number of the link.
    var sockets: [UInt32: (port: UInt16, remote: Endpoint)] = [:]
    var nextSocketPort: UInt16 = 30_000
    /// Not of the mesh: relays must forward nothing of it.
    package var isOutsider = false
    var backlog: [Fabric.Arrival] = []
    /// Sockets for probing: their numbers by their ports.
    var probes: [UInt16: Int] = [:]

    init(name: String, index: Int, port: UInt16, node: Node, identity: NodeIdentity, disk: Disk) {
        self.name = name
        self.index = index
        self.port = port
        self.node = node
        self.identity = identity
        self.disk = disk
    }

    /// The port at which it receives beside `port`.
    package var secondPort: UInt16 { port + 1 }

    /// As whose a datagram counts that came to a port of the host; `nil` when nobody listens there for it.
    func source(of source: Endpoint, to target: UInt16) -> Endpoint? {
        if target == port || target == secondPort { return source }
        let socket = sockets.first { $0.value.port == target && $0.value.remote == source }
        return socket.map { .link(number: $0.key, kind: .socket) }
    }

    func openSocket(_ link: UInt32, to remote: Endpoint) {
        sockets[link] = (nextSocketPort, remote)
        nextSocketPort = nextSocketPort == 60_000 ? 30_000 : nextSocketPort + 1
    }

    package var openProbeCount: Int { probes.count }
    package var events: [NodeEvent] { happenings.map(\.event) }
}
