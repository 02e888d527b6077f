// What a report means, in words.
extension NATFamilyReport {
    /// The kind of NAT in a few words, with the name that it has in tables of hole punching.
    package var kind: String {
        switch connectivity {
        case .untested(let obstacle): return "not checked: \(obstacle.rawValue)"
        case .blocked: return "UDP is blocked"
        case .works: break
        }
        switch (mapping.value, filtering.value) {
        case (MappingBehavior.none?, .endpointIndependent?): return "no NAT, no firewall"
        case (MappingBehavior.none?, .notPortDependent?): return "no NAT"
        case (MappingBehavior.none?, nil): return "no NAT"
        case (MappingBehavior.none?, _?): return "no NAT, a firewall"
        case (.endpointIndependent?, .endpointIndependent?): return "NAT1 (full cone)"
        case (.endpointIndependent?, .addressDependent?): return "NAT2 (address-restricted cone)"
        case (.endpointIndependent?, .addressAndPortDependent?): return "NAT3 (port-restricted cone)"
        case (.endpointIndependent?, _): return "a cone NAT"
        case (.addressDependent?, _), (.addressAndPortDependent?, _), (.endpointDependent?, _):
            return "NAT4 (symmetric)"
        case (nil, _): return "a NAT of unknown kind"
        }
    }

    /// What follows for connections to other nodes.
    package var meaning: [String] {
        switch connectivity {
        case .untested(let obstacle): return ["Not checked: \(obstacle.rawValue)."]
        case .blocked(let asked):
            return [
                "None of \(asked) asked by UDP answered: UDP is blocked, or there is no way out.",
                "Without UDP, packets go over TLS to a relay, if one takes it on TCP port 443.",
            ]
        case .works: break
        }
        return [mappingMeaning, filteringMeaning, portsMeaning, hairpinMeaning, lifetimeMeaning].compactMap { $0 }
            + layers.map(\.meaning)
    }

    private var mappingMeaning: String? {
        switch mapping {
        case .known(.none): "Others see this host's own address: no NAT is in the way."
        case .known(.endpointIndependent):
            "The NAT shows everybody the same address and port, so direct paths to most nodes can be opened."
        case .known(.addressDependent), .known(.addressAndPortDependent), .known(.endpointDependent):
            "The NAT takes another port for every destination: direct paths need the other side's port to be open or to be"
                + " searched for; between two such NATs packets go through a relay."
        case .unknown(let obstacle): "Whether the NAT shows everybody the same port is not known: \(obstacle.rawValue)."
        }
    }

    private var filteringMeaning: String? {
        let gate = mapping == .known(.none) ? "No firewall" : "The NAT"
        switch filtering {
        case .known(.endpointIndependent):
            return mapping == .known(.none)
                ? "\(gate) keeps strangers out: this node can be reached by anybody, and relay for others."
                : "\(gate) lets everybody in through a port that is in use: strangers can reach this node there."
        case .known(.addressDependent):
            return "Only addresses that this node has sent to get in."
        case .known(.addressAndPortDependent):
            return "Only the very address and port that this node has sent to get in: both sides must send first."
        case .known(.notPortDependent):
            return
                "Other ports of an address that this node has sent to get in; whether other addresses do is not known."
        case .known(.endpointDependent):
            return "Addresses that this node has not sent to are kept out."
        case .unknown(let obstacle): return "Who is let in is not known: \(obstacle.rawValue)."
        }
    }

    private var portsMeaning: String? {
        guard !mapping.isStable, let ports = ports.value else { return nil }
        let several = ports.usesSeveralAddresses ? " Its ports lie at several outside addresses." : ""
        switch ports.pattern {
        case .preserved: return "The NAT keeps this host's ports where it can.\(several)"
        case .sequential(let stride):
            return "The NAT gives ports in steps of \(stride), which can be foreseen.\(several)"
        case .block(let size):
            return "The NAT gives ports from a block of about \(size), which makes a search short.\(several)"
        case .random: return "The NAT gives ports at random.\(several)"
        }
    }

    private var hairpinMeaning: String? {
        switch hairpin {
        case .known(true): "Hosts behind the same NAT reach each other by its outside address."
        case .known(false): "Hosts behind the same NAT reach each other by their inside addresses only."
        case .unknown: nil
        }
    }

    private var lifetimeMeaning: String? {
        switch lifetime {
        case .known(.atLeast(let time)): "A silent mapping lasts \(time.components.seconds) s or more."
        case .known(.between(let low, let high)):
            "A silent mapping lasts between \(low.components.seconds) and \(high.components.seconds) s."
        case .known(.lessThan(let time)):
            "A silent mapping lasts less than \(time.components.seconds) s: set keepalive lower than that."
        case .unknown: nil
        }
    }
}

extension Finding<MappingBehavior> {
    fileprivate var isStable: Bool { value?.isStable ?? true }
}

extension NATLayer {
    package var meaning: String {
        switch self {
        case .carrierAddress(let address): "This host's address \(address) is a carrier's: a second NAT is outside."
        case .privateOutside(let address):
            "The outside address \(address) is itself not public: there are NATs in a row."
        case .gatewayDiffers(let gateway, let seen):
            "The gateway's outside address is \(gateway), others see \(seen): there are NATs in a row, and ports that the"
                + " gateway forwards are not reached from outside."
        }
    }
}
