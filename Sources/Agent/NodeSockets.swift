import Configuration
import Linux
import Wire

extension UDPSocket {
    /// The sockets that other nodes send to.
    static func open(_ listen: Configuration.Listen) throws(AgentError) -> [UDPSocket] {
        let any: [IPAddress] = [.v4(.any), .v6(.any)]
        var sockets: [UDPSocket] = []
        for address in listen.addresses.isEmpty ? any : listen.addresses {
            do {
                sockets.append(try UDPSocket(Endpoint(address, port: listen.port)))
            } catch {
                // A host without IPv6 has no such family; that is no reason not to run.
                if error.name == "EAFNOSUPPORT", listen.addresses.isEmpty { continue }
                throw .socket(error, port: listen.port)
            }
        }
        return sockets
    }

    /// One more port, which members send to in order to see what their NAT does. Nothing fails without it.
    static func second(beside sockets: [UDPSocket]) -> UDPSocket? {
        guard let address = sockets.first(where: \.isIPv4)?.localEndpoint.address else { return nil }
        return try? UDPSocket(Endpoint(address, port: 0))  // An optional service to others.
    }
}
