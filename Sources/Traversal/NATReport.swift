package import Wire

/// What was found out, or why it could not be.
package enum Finding<Value: Equatable & Sendable>: Equatable, Sendable {
    case known(Value)
    case unknown(Obstacle)

    package var value: Value? {
        if case .known(let value) = self { value } else { nil }
    }
}

/// Why something about a NAT is not known.
package enum Obstacle: String, Equatable, Sendable {
    case noAddress = "this host has no address of that family"
    case noObserver = "no member or STUN server is known that could be asked"
    case noAnswer = "nobody answered"
    case oneObserver = "only one address answered; it takes two to compare"
    case noHelper = "nobody could send from another address or port"
    case notTranslated = "no NAT is in the way"
    case tooFewSamples = "too few ports were seen"
    case notYet = "it takes minutes to find out, and goes on in the background"
}

/// When a NAT uses one mapping for several destinations (RFC 4787 §4.1).
package enum MappingBehavior: String, CaseIterable, Equatable, Sendable {
    /// Addresses and ports stay what they are.
    case none
    case endpointIndependent
    case addressDependent
    case addressAndPortDependent
    /// One of the two before; telling them apart takes an observer with two ports.
    case endpointDependent

    /// Whether everybody sees the same endpoint of ours.
    package var isStable: Bool { self == .none || self == .endpointIndependent }
}

/// Whom a NAT or firewall lets in through a mapping that is there (RFC 4787 §5).
package enum FilteringBehavior: String, CaseIterable, Equatable, Sendable {
    case endpointIndependent
    case addressDependent
    case addressAndPortDependent
    /// At least other ports of an address that we sent to are let in; other addresses could not be tried.
    case notPortDependent
    /// Other addresses are not let in; other ports of the same could not be tried.
    case endpointDependent
}

/// How a NAT chooses outside ports, from several sockets' mappings.
package struct NATPorts: Equatable, Sendable {
    package enum Pattern: Equatable, Sendable {
        /// The inside port, where it is free.
        case preserved
        /// One after the other, in steps.
        case sequential(stride: Int)
        /// At random within few ports, as carriers assign them to a subscriber (RFC 7422).
        case block(sizeEstimate: Int)
        case random
    }

    package var pattern: Pattern
    package var lowest: UInt16
    package var highest: UInt16
    package var sampleCount: Int
    /// Mappings of one host at different outside addresses.
    package var usesSeveralAddresses: Bool

    package init(
        pattern: Pattern, lowest: UInt16, highest: UInt16, sampleCount: Int, usesSeveralAddresses: Bool = false
    ) {
        self.pattern = pattern
        self.lowest = lowest
        self.highest = highest
        self.sampleCount = sampleCount
        self.usesSeveralAddresses = usesSeveralAddresses
    }
}

/// How long a NAT keeps a mapping that is silent.
package enum NATLifetime: Equatable, Sendable {
    case atLeast(Duration)
    case between(Duration, Duration)
    case lessThan(Duration)
}

/// Signs of more than one NAT in a row.
package enum NATLayer: Equatable, Sendable {
    /// This host's own address is a carrier's (100.64.0.0/10, RFC 6598).
    case carrierAddress(IPAddress)
    /// What others see is itself no public address.
    case privateOutside(IPAddress)
    /// The gateway says that its outside address is one, others see another.
    case gatewayDiffers(gateway: IPAddress, seen: IPAddress)
}

/// What stands between this host and others in one family of addresses.
package struct NATFamilyReport: Equatable, Sendable {
    package enum Connectivity: Equatable, Sendable {
        case works
        /// So many were asked, and nobody answered.
        case blocked(asked: Int)
        case untested(Obstacle)
    }

    /// What one observer saw of one of our sockets.
    package struct Sample: Equatable, Sendable {
        package var socket: Int
        package var localPort: UInt16
        package var observer: Endpoint
        package var mapped: Endpoint
        package var roundTripTime: Duration
    }

    package var isIPv4: Bool
    package var connectivity: Connectivity
    package var mapping = Finding<MappingBehavior>.unknown(.noAnswer)
    package var filtering = Finding<FilteringBehavior>.unknown(.noAnswer)
    package var hairpin = Finding<Bool>.unknown(.noAnswer)
    package var ports = Finding<NATPorts>.unknown(.noAnswer)
    package var lifetime = Finding<NATLifetime>.unknown(.notYet)
    package var layers: [NATLayer] = []
    /// What all this was concluded from.
    package var samples: [Sample] = []

    package init(isIPv4: Bool, connectivity: Connectivity) {
        self.isIPv4 = isIPv4
        self.connectivity = connectivity
    }

    /// Outside addresses, each once, in the order in which they were seen.
    package var outsideAddresses: [IPAddress] {
        samples.reduce(into: []) { seen, sample in
            if !seen.contains(sample.mapped.address) { seen.append(sample.mapped.address) }
        }
    }
}

package struct NATReport: Equatable, Sendable {
    package var ipv4: NATFamilyReport
    package var ipv6: NATFamilyReport
    /// How long it took to find out.
    package var duration: Duration

    package init(ipv4: NATFamilyReport, ipv6: NATFamilyReport, duration: Duration) {
        self.ipv4 = ipv4
        self.ipv6 = ipv6
        self.duration = duration
    }
}
