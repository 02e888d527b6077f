package import ControlAPI
package import Linux
package import Netfilter
package import Netlink
package import Store

/// Why the daemon could not do what it was asked; every case tells what to do next.
package enum AgentError: Error, CustomStringConvertible {
    case tun(TunError)
    case socket(SystemError, port: UInt16)
    case netlink(NetlinkError)
    case rules(RuleError)
    case store(StoreError)
    case system(SystemError)
    /// The mesh's addresses overlap with a network of the host that would be cut off.
    case overlap(range: String, route: String)

    package var description: String {
        switch self {
        case .tun(let error): error.description
        case .socket(let error, let port) where error.name == "EADDRINUSE":
            "UDP port \(port) is taken by another program: stop it, or set listen.port in config.yaml"
        case .socket(let error, _): "cannot open the UDP socket: \(error)"
        case .netlink(let error): "\(error)"
        case .rules(let error): "\(error)"
        case .store(let error): error.description
        case .system(let error): error.description
        case .overlap(let range, let route):
            "this host has a route to \(route), which the mesh's range \(range) is part of, so the mesh would take"
                + " addresses away from it: choose another ipv4Range in config.yaml on the host that creates the mesh"
        }
    }

    /// The form in which `meshctl` is told.
    package var failure: Failure {
        switch self {
        case .tun(.notPermitted): Failure(.notPermitted, description)
        case .system(let error) where ["EACCES", "EPERM"].contains(error.name):
            Failure(.notPermitted, description, nextStep: "start meshd as root, or let systemd start it")
        case .overlap: Failure(.configuration, description)
        default: Failure(.failed, description)
        }
    }
}
