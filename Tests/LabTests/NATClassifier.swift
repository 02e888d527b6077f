import Lab
import Wire

/// What a host behind a router learns about it by sending and waiting, in the words of RFC 4787.
struct NATBehaviour: Equatable {
    /// What a mapping is kept for: every destination alike, or each on its own (§4.1).
    enum Mapping { case none, endpointIndependent, endpointDependent }
    /// Whose datagrams a mapping lets in (§5).
    enum Filtering { case none, addressDependent, addressAndPortDependent }

    var mapping: Mapping
    var filtering: Filtering

    /// - Parameter servers: two public hosts.
    init(behind inside: Host, seenBy servers: (Host, Host)) throws {
        let probe = try UDPProbe(in: inside, port: 4242)
        let first = try UDPProbe(in: servers.0, port: 7001)
        let otherPort = try UDPProbe(in: servers.0, port: 7002)
        let otherAddress = try UDPProbe(in: servers.1, port: 7001)

        func mapped(by server: UDPProbe, at host: Host, port: UInt16) -> Endpoint? {
            probe.send("who am I", to: Endpoint(host.uplink.address, port: port))
            return server.receive(within: .seconds(5))?.source
        }
        let own = Endpoint(inside.uplink.address, port: 4242)
        guard let outer = mapped(by: first, at: servers.0, port: 7001) else {
            throw LabError.unexpected("nothing came out of the router")
        }
        // Filtering first: it is a matter of whom the inside has sent to. The answer comes last and is let in by
        // every kind, so that what has not arrived before it was dropped.
        otherAddress.send("other address", to: outer)
        otherPort.send("other port", to: outer)
        first.send("answer", to: outer)
        var admitted: Set<String> = []
        while !admitted.contains("answer") {
            guard let next = probe.receive(within: .seconds(5)) else { throw LabError.unexpected("no answer came in") }
            admitted.insert(next.text)
        }
        filtering =
            admitted.contains("other address")
            ? .none : admitted.contains("other port") ? .addressDependent : .addressAndPortDependent

        // By sockets that have sent nothing themselves: what Linux let in or answered may have taken the port.
        let others = [
            mapped(by: try UDPProbe(in: servers.0, port: 7003), at: servers.0, port: 7003),
            mapped(by: try UDPProbe(in: servers.1, port: 7003), at: servers.1, port: 7003),
        ]
        mapping = outer == own ? .none : others.allSatisfy { $0 == outer } ? .endpointIndependent : .endpointDependent
    }

    init(_ mapping: Mapping, _ filtering: Filtering) {
        self.mapping = mapping
        self.filtering = filtering
    }
}
