import Glibc
import Linux
import Wire

/// The two sockets of an address at which names are answered.
struct NameListener {
    /// What was asked for.
    let wanted: Endpoint
    /// With the port that it got.
    let endpoint: Endpoint
    let datagrams: UDPSocket
    let streams: TCPListener

    /// With port 0 TCP takes the port that UDP was given.
    init(_ endpoint: Endpoint) throws(NameServiceError) {
        wanted = endpoint
        do {
            datagrams = try UDPSocket(serving: endpoint)
        } catch {
            throw Self.explained(error, endpoint, isStream: false)
        }
        self.endpoint = Endpoint(endpoint.address, port: datagrams.localEndpoint.port, scope: endpoint.scope)
        do {
            streams = try TCPListener(self.endpoint)
        } catch {
            throw Self.explained(error, endpoint, isStream: true)
        }
    }

    /// Whether answers must say which address they come from.
    var isWildcard: Bool { endpoint.address == .v4(.any) || endpoint.address == .v6(.any) }

    private static func explained(_ error: SystemError, _ endpoint: Endpoint, isStream: Bool) -> NameServiceError {
        switch error.code {
        case EADDRINUSE:
            .portTaken(
                endpoint, transport: isStream ? "TCP" : "UDP", holder: PortHolder.find(endpoint, isStream: isStream))
        case EADDRNOTAVAIL: .noSuchAddress(endpoint)
        default: .refused(endpoint, error)
        }
    }
}
