package import Linux
package import Wire

/// Why names are not answered at an address.
package enum NameServiceError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Another program listens there; `holder` names it as far as this process may see.
    case portTaken(Endpoint, transport: String, holder: PortHolder?)
    /// The host has no such address (yet).
    case noSuchAddress(Endpoint)
    case refused(Endpoint, SystemError)

    package var endpoint: Endpoint {
        switch self {
        case .portTaken(let endpoint, _, _), .noSuchAddress(let endpoint), .refused(let endpoint, _): endpoint
        }
    }

    package var description: String {
        switch self {
        case .portTaken(let endpoint, let transport, let holder):
            "no names at \(endpoint): \(transport) port \(endpoint.port) is held by "
                + "\(holder?.description ?? "another program"); stop it there, or set another address for DNS"
        case .noSuchAddress(let endpoint):
            "no names at \(endpoint): the host does not have this address; it is tried again"
        case .refused(let endpoint, let error):
            "no names at \(endpoint): \(error)"
        }
    }
}
