import SansIO
import Wire

// Carrying: from line to line, through networks and gateways.
extension Fabric {
    private static let hopLimit = 16

    /// Takes a datagram on until a line delays it or it ends.
    mutating func proceed(_ start: Flight, at now: Instant) {
        var flight = start
        for _ in 0..<Self.hopLimit {
            guard let copies = takeStep(&flight, at: now) else { return }
            if copies.count == 1, copies[0].arrivesAt == now, copies[0].flippedBit == nil {
                if case .arriving = flight.stage {
                    flights.add(flight, at: now)
                    return
                }
                continue
            }
            if copies.isEmpty { counters.lostOnLines += 1 }
            for copy in copies { flights.add(flight.flipping(copy.flippedBit), at: copy.arrivesAt) }
            return
        }
        counters.unroutable += 1
    }

    /// One stage of the way: when the datagram, now at the next stage, arrives there; `nil` when it ends here.
    private mutating func takeStep(_ flight: inout Flight, at now: Instant) -> [Line.Copy]? {
        switch flight.stage {
        case .leaving(let interface):
            flight.stage = .within(interfaces[interface.index].network, from: .interface(interface))
            let connection = interfaces[interface.index].connection
            return interfaces[interface.index].connection.upLine.carry(
                flight.bytes.count, under: connection.up, at: now, using: &random)
        case .within(let network, let origin):
            guard let (stage, neighbour) = route(flight, in: network, from: origin) else {
                counters.unroutable += 1
                return nil
            }
            flight.stage = stage
            guard network == Self.internet else { return [Line.Copy(arrivesAt: now)] }
            guard passRouter(&flight) else { return nil }
            return cross(flight.bytes.count, Pair(from: origin, to: neighbour), at: now)
        case .outward(let gateway):
            guard passRouter(&flight) else { return nil }
            guard translateOutward(&flight, gateway, at: now) else {
                counters.refusedByGateways += 1
                return nil
            }
            guard case .within(let network, from: _) = flight.stage, network == gateways[gateway.index].outside else {
                return [Line.Copy(arrivesAt: now)]
            }
            let connection = gateways[gateway.index].connection
            return gateways[gateway.index].connection.upLine.carry(
                flight.bytes.count, under: connection.up, at: now, using: &random)
        case .nearing(let gateway):
            flight.stage = .inward(gateway)
            let connection = gateways[gateway.index].connection
            return gateways[gateway.index].connection.downLine.carry(
                flight.bytes.count, under: connection.down, at: now, using: &random)
        case .inward(let gateway):
            guard translateInward(&flight, gateway, at: now) else {
                counters.refusedByGateways += 1
                return nil
            }
            guard passRouter(&flight) else { return nil }
            flight.stage = .within(gateways[gateway.index].inside, from: .gateway(gateway))
            return [Line.Copy(arrivesAt: now)]
        case .entering(let interface):
            flight.stage = .arriving(interface)
            let connection = interfaces[interface.index].connection
            return interfaces[interface.index].connection.downLine.carry(
                flight.bytes.count, under: connection.down, at: now, using: &random)
        case .arriving: return [Line.Copy(arrivesAt: now)]
        }
    }

    /// `false` when the datagram was sent to pass no further router.
    private mutating func passRouter(_ flight: inout Flight) -> Bool {
        flight.hopsLeft -= 1
        if flight.hopsLeft <= 0 { counters.outOfHops += 1 }
        return flight.hopsLeft > 0
    }

    /// Where a network sends a datagram next; `nil` when it knows no way.
    private func route(
        _ flight: Flight, in network: NetworkID, from origin: Neighbour
    ) -> (stage: Flight.Stage, neighbour: Neighbour)? {
        let address = flight.target.address
        switch networks[network.index].neighbours[address] {
        case .interface(let interface)?: return (.entering(interface), .interface(interface))
        case .gateway(let gateway)?: return (.nearing(gateway), .gateway(gateway))
        case .stranger?, nil: break
        }
        if let gateway = gateway(for: address, in: network), origin != .gateway(gateway) {
            return (.nearing(gateway), .gateway(gateway))
        }
        guard let uplink = networks[network.index].uplink, origin != .gateway(uplink) else { return nil }
        return (.outward(uplink), .gateway(uplink))
    }

    /// The gateway that an address is routed to.
    private func gateway(for address: IPAddress, in network: NetworkID) -> GatewayID? {
        for length in networks[network.index].lengths where length <= address.bitCount {
            if let prefix = IPPrefix(address, length: length),
                let gateway = networks[network.index].prefixes[prefix]
            {
                return gateway
            }
        }
        return nil
    }

    /// The transit line between two neighbours of the internet.
    private mutating func cross(_ count: Int, _ pair: Pair, at now: Instant) -> [Line.Copy] {
        for cut in cuts where cut.inside.contains(pair.from) != cut.inside.contains(pair.to) { return [] }
        let conditions = transitConditions[pair] ?? transit
        return transitLines[pair, default: Line()].carry(count, under: conditions, at: now, using: &random)
    }

    // MARK: gateways

    /// `false` when the gateway does not let the datagram out. Its boxes are worked on in place: a copy of one costs more
    /// than all the rest.
    private mutating func translateOutward(_ flight: inout Flight, _ number: GatewayID, at now: Instant) -> Bool {
        let index = number.index
        guard !gateways[index].blocksUDP else { return false }
        flight.stage = .within(gateways[index].outside, from: .gateway(number))
        if gateway(for: flight.source.address, in: gateways[index].outside) == number {
            guard gateways[index].firewall != nil else { return true }
            return gateways[index].firewall?.outbound(from: flight.source, to: flight.target, at: now) != nil
        }
        guard flight.source.address.isIPv4 == gateways[index].address.isIPv4,
            let outside = gateways[index].nat?.outbound(from: flight.source, to: flight.target, at: now)
        else { return false }
        flight.source = outside
        guard flight.target.address == gateways[index].address else { return true }
        // To its own outside address: back to the inside, if it does that.
        guard gateways[index].nat?.behavior.isHairpinning == true,
            let inside = gateways[index].nat?.inbound(to: flight.target, from: outside, at: now)
        else { return false }
        flight.target = inside
        flight.stage = .within(gateways[index].inside, from: .gateway(number))
        return true
    }

    /// `false` when the gateway does not let the datagram in.
    private mutating func translateInward(_ flight: inout Flight, _ number: GatewayID, at now: Instant) -> Bool {
        let index = number.index
        guard !gateways[index].blocksUDP else { return false }
        if flight.target.address == gateways[index].address {
            guard let inside = gateways[index].nat?.inbound(to: flight.target, from: flight.source, at: now)
            else { return false }
            flight.target = inside
            return true
        }
        guard gateways[index].firewall != nil else { return true }
        return gateways[index].firewall?.inbound(to: flight.target, from: flight.source, at: now) != nil
    }
}

extension Fabric.Flight {
    fileprivate func flipping(_ bit: Int?) -> Fabric.Flight {
        guard let bit else { return self }
        var copy = self
        copy.bytes[bit / 8] ^= 1 << (bit % 8)
        return copy
    }
}
