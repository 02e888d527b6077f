/// What a NAT box or a firewall does with UDP, in the terms of RFC 4787.
package struct NATBehavior: Equatable, Sendable {
    /// Which part of the remote endpoint a mapping or a filter looks at.
    package enum Dependence: String, CaseIterable, Equatable, Sendable {
        case endpointIndependent, addressDependent, addressAndPortDependent
    }

    /// How an outside port is chosen (RFC 4787 §4.2; ports one after the other are what port prediction lives on).
    package enum PortAllocation: Equatable, Sendable {
        case random
        /// The next after the last one given, in steps.
        case stride(UInt16)
        /// At random within a block of so many ports that belongs to one inside address (RFC 7422).
        case block(UInt16)
    }

    package var mapping = Dependence.endpointIndependent
    package var filtering = Dependence.addressAndPortDependent
    /// The inside port is kept when it is free outside.
    package var preservesPorts = false
    package var allocation = PortAllocation.random
    package var ports: ClosedRange<UInt16> = 1024...65_535
    /// Hosts inside reach each other at their outside endpoints.
    package var isHairpinning = false
    /// How long a mapping or a filter's permission lasts after the last packet from inside.
    package var lifetime: Duration = .seconds(120)
    /// Packets from outside keep a mapping too.
    package var isKeptByInbound = false
    /// `false`: addresses and ports stay, only the filter works.
    package var translates = true

    package init(
        mapping: Dependence = .endpointIndependent, filtering: Dependence = .addressAndPortDependent,
        preservesPorts: Bool = false, allocation: PortAllocation = .random
    ) {
        self.mapping = mapping
        self.filtering = filtering
        self.preservesPorts = preservesPorts
        self.allocation = allocation
    }

    /// NAT1, "full cone": whoever knows the outside endpoint gets in.
    package static let fullCone = NATBehavior(filtering: .endpointIndependent)
    /// NAT2, "address-restricted cone".
    package static let restricted = NATBehavior(filtering: .addressDependent)
    /// NAT3, "port-restricted cone".
    package static let portRestricted = NATBehavior()
    /// A usual home router: as NAT3, and ports stay what they are.
    package static let home = NATBehavior(preservesPorts: true)
    /// NAT4, "symmetric": another port for each remote endpoint.
    package static let symmetric = NATBehavior(mapping: .addressAndPortDependent)
    /// As NAT4, with ports in a row.
    package static let predictable = NATBehavior(mapping: .addressAndPortDependent, allocation: .stride(1))
    /// A carrier's NAT: a block of ports for each customer, open to everybody who knows the endpoint, hairpinning.
    package static let carrier: NATBehavior = {
        var behavior = NATBehavior(filtering: .endpointIndependent, allocation: .block(512))
        behavior.isHairpinning = true
        return behavior
    }()
    /// A stateful firewall, no translation.
    package static let firewall: NATBehavior = {
        var behavior = NATBehavior()
        behavior.translates = false
        return behavior
    }()
}
