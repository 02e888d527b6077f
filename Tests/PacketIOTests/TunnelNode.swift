import CLinux
import Crypto
import Datapath
import Glibc
import Linux
import Netlink
import Noise
import PacketIO
import SansIO
import Synchronization
import Traversal
import Wire

/// A node with a real TUN interface in a network namespace of its own, and UDP sockets in the one that the test runs in.
///
/// The namespace belongs to a thread that ends at once; the TUN and the sockets made on it keep it alive.
final class TunnelNode: Sendable {
    let tun: TunDevice
    let sockets: [UDPSocket]
    let threads: PacketThreads
    /// The node's inner IPv4 address.
    let address: IPv4Address
    /// For the test's own connections inside the namespace.
    private let inner: Inner

    /// What was opened inside: sockets, and the namespace itself to come back.
    private final class Inner: Sendable {
        let tcp: FileDescriptor
        let udp: UDPSocket
        let namespace: FileDescriptor

        init(_ address: IPv4Address) throws {
            tcp = FileDescriptor(owning: socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0))
            udp = try UDPSocket(Endpoint(.v4(address), port: 9))
            namespace = try FileDescriptor.open("/proc/thread-self/ns/net", flags: O_RDONLY)
        }
    }

    init(_ address: IPv4Address, mtu: Int = 1408) throws {
        self.address = address
        sockets = [try UDPSocket(Endpoint("127.0.0.1:0")!), try UDPSocket(Endpoint("[::1]:0")!)]
        let made = try OwnThread.run {
            guard linux_new_network_namespace() == 0 else { throw SystemError("unshare", code: EPERM) }
            let tun = try TunDevice(name: "mesh-test")
            try Self.configure("mesh-test", address: .v4(address), mtu: mtu)
            return (tun, try Inner(address))
        }
        (tun, inner) = made
        threads = try PacketThreads(tun: tun, sockets: sockets)
    }

    var endpoint: Endpoint { sockets[0].localEndpoint }
    var endpoint6: Endpoint { sockets[1].localEndpoint }
    /// A TCP socket inside, neither bound nor connected.
    var tcp: Int32 { inner.tcp.number }
    /// A UDP socket inside, bound to the node's address, port 9.
    var udp: UDPSocket { inner.udp }

    /// Gives both nodes the tables of one session.
    static func connect(
        _ node1: TunnelNode, _ node2: TunnelNode, overIPv6: Bool = false, holdUntil: Instant? = nil,
        handshakeMACs: HandshakeMACs? = nil
    ) {
        let secrets = [SystemRandom.bytes(32), SystemRandom.bytes(32)].map { Secret($0) }
        for (index, (node, other)) in [(node1, node2), (node2, node1)].enumerated() {
            let keypair = Keypair(
                localIndex: 1, remoteIndex: 1, isInitiator: index == 0, createdAt: SystemClock.now,
                sendKey: secrets[index], receiveKey: secrets[1 - index])
            let prefix = IPPrefix(.v4(other.address))
            let endpoint = overIPv6 ? other.endpoint6 : other.endpoint
            let peer = PeerEntry(
                index: 0, keypair: keypair, destination: Destination(endpoint), path: .direct(endpoint),
                sources: SourceSet([prefix]), activity: Activity(), innerMTU: 1408, holdUntil: holdUntil)
            node.threads.publish(
                Tables(
                    generation: 1, peers: [peer], sessions: [Tables.Session(keypair, peer: peer)],
                    routes: RouteTable([(prefix, 0)]), handshakeMACs: handshakeMACs))
        }
    }

    /// Switches the TUN off and on, inside.
    func setInterface(up: Bool) throws {
        let inner = inner
        let address = IPAddress.v4(address)
        try OwnThread.run {
            guard linux_enter_network_namespace(inner.namespace.number) == 0 else {
                throw SystemError("setns", code: EPERM)
            }
            if up {
                try Self.configure("mesh-test", address: address, mtu: 1408)
            } else {
                var routing = try RouteSocket()
                guard let link = try routing.link(named: "mesh-test") else { return }
                try routing.setLink(link.index, up: false)
            }
        }
    }

    private static func configure(_ name: String, address: IPAddress, mtu: Int) throws {
        var routing = try RouteSocket()
        guard let link = try routing.link(named: name) else {
            throw SystemError("find \(name)", code: ENODEV)
        }
        try routing.setMTU(mtu, of: link.index)
        try routing.setLink(link.index, up: true)
        _ = try routing.add(InterfaceAddress(address, prefixLength: 16, interface: link.index))
    }
}

/// Runs one closure on a fresh thread and waits for it.
enum OwnThread {
    private final class Slot<Value: Sendable>: Sendable {
        let result = Mutex<Result<Value, any Error>?>(nil)
    }

    @discardableResult
    static func run<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) throws -> Value {
        let slot = Slot<Value>()
        let thread = try Thread(name: "test") {
            let result = Result { try body() }
            slot.result.withLock { $0 = result }
        }
        thread.join()
        guard let result = slot.result.withLock({ $0 }) else {
            throw SystemError("run thread", code: EAGAIN)
        }
        return try result.get()
    }
}
