package import Wire

/// What an operator may set in /etc/kubemesh/config.yaml, with the defaults for what the file leaves out.
///
/// `Setting.all` lists every key with its bounds, its meaning and when a change takes effect; the reader, the reference
/// file and the reload all follow that list.
package struct Configuration: Equatable, Sendable {
    package var node: Node
    package var interface = "mesh0"
    package var mtu = MTU.automatic
    /// The mesh's IPv4 addresses. 10.128.0.0/9 keeps clear of the lower half of 10/8, where most private networks are.
    package var ipv4Range = IPPrefix(.v4(IPv4Address(10, 128, 0, 0)), length: 9)!
    package var listen = Listen()
    package var advertise: [AdvertisedEndpoint] = []
    /// RFC 4787 REQ-5 lets a NAT forget a mapping after two minutes; many do after thirty seconds.
    package var keepalive: Duration = .seconds(25)
    package var containers = Containers()
    package var forwarding = Forwarding()
    package var stun = STUN()
    package var portMapping = Automatic.auto
    package var portSearch = Automatic.auto
    package var relay = Relay()
    package var relayNodes: [RelayNode] = []
    package var stream = Stream()
    package var services = Services()
    package var dns = DNS()
    package var certificate = Certificate()
    package var stateDirectory = "/var/lib/kubemesh"
    package var controlSocket = ControlSocket()
    package var logging = Logging()
    package var limits = Limits()

    /// The defaults, on a host of this name.
    package init(nodeName: NodeName) {
        node = Node(name: nodeName)
    }

    package struct Node: Equatable, Sendable {
        package var name: NodeName
    }

    package enum MTU: Equatable, Sendable {
        /// 1408: with an IPv6 header, a tunnel header and a relay header it fits in 1,500 bytes.
        case automatic
        case bytes(Int)
    }

    package struct Listen: Equatable, Sendable {
        package var port: UInt16 = 20007
        /// Empty: all addresses of both families.
        package var addresses: [IPAddress] = []
    }

    /// An address at which others reach this node, as an operator knows it.
    package struct AdvertisedEndpoint: Equatable, Sendable {
        package var address: IPAddress
        /// `nil`: the port that the node listens on.
        package var port: UInt16?

        package init(address: IPAddress, port: UInt16?) {
            self.address = address
            self.port = port
        }

        package func endpoint(defaultPort: UInt16) -> Endpoint { Endpoint(address, port: port ?? defaultPort) }
    }

    package enum Automatic: String, CaseIterable, Equatable, Sendable {
        case auto, off
    }

    package struct Containers: Equatable, Sendable {
        /// `auto` maps a bridge's subnet 1:1 into the node's own mesh prefix where the two differ.
        package var mapping = Automatic.auto
        /// Empty: every bridge that Docker or a CNI plugin made.
        package var bridges: [String] = []
        package var prefixes: [ContainerPrefix] = []

        package init() {}
    }

    /// Containers of this prefix are behind that bridge.
    package struct ContainerPrefix: Equatable, Sendable {
        package var prefix: IPPrefix
        package var bridge: String

        package init(prefix: IPPrefix, bridge: String) {
            self.prefix = prefix
            self.bridge = bridge
        }
    }

    package struct Forwarding: Equatable, Sendable {
        package var dockerUser = Automatic.auto
    }

    package struct STUN: Equatable, Sendable {
        package var serve = Audience.all
        package var servers: [AdvertisedEndpoint] = []

        package enum Audience: String, CaseIterable, Sendable {
            case all, members, off
        }

        /// Where a server listens whose port is not given (RFC 8489 §8.1).
        package static let defaultPort: UInt16 = 3478

        package init() {}
    }

    package struct Relay: Equatable, Sendable {
        package var enabled = true
        package var maxRate = RateLimit.unlimited
        package var maxRatePerPeer = RateLimit.unlimited
    }

    package enum RateLimit: Equatable, Sendable {
        case unlimited
        case bitsPerSecond(Int)

        /// `nil`: no limit.
        package var bytesPerSecond: Int? {
            if case .bitsPerSecond(let bits) = self { bits / 8 } else { nil }
        }
    }

    /// TLS streams, for where UDP is blocked.
    package struct Stream: Equatable, Sendable {
        /// 0: streams of others are not taken.
        package var port: UInt16 = 443
        package var proxy = Proxy.automatic
        /// `nil`: none is shown.
        package var sni: String?
    }

    package enum Proxy: Equatable, Sendable {
        /// What the environment of meshd says: https_proxy and no_proxy.
        case automatic
        case off
        case through(HTTPProxy)
    }

    /// A node to relay through first, and addresses of it for when nothing else is known.
    package struct RelayNode: Equatable, Sendable {
        package var nodeName: NodeName
        package var advertiseAddress: [AdvertisedEndpoint]

        package init(nodeName: NodeName, advertiseAddress: [AdvertisedEndpoint]) {
            self.nodeName = nodeName
            self.advertiseAddress = advertiseAddress
        }
    }

    package struct Certificate: Equatable, Sendable {
        package var lifetime: Duration = .seconds(365 * 86_400)
        package var renewBefore: Duration = .seconds(90 * 86_400)
    }

    package struct ControlSocket: Equatable, Sendable {
        package var path = "/run/kubemesh/meshd.sock"
        package var group = "kubemesh"
    }

    package struct Logging: Equatable, Sendable {
        package var level = Level.info
        package var format = Format.text

        package enum Level: String, CaseIterable, Sendable {
            case debug, info, notice, warning, error
        }

        package enum Format: String, CaseIterable, Sendable {
            case text, json
        }
    }

    package struct Limits: Equatable, Sendable {
        package var peers = 1024
        package var circuits = 4096
        package var tentativeSessions = 256
        package var streams = 512
    }
}
