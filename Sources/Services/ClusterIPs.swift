import Wire

/// The cluster addresses of all services, both families.
struct ClusterIPs: Sendable {
    private var ipv4: AddressContest
    private var ipv6: AddressContest

    /// - Parameter ranges: where addresses are drawn from; the first of each family counts.
    init(ranges: [IPPrefix]) {
        ipv4 = AddressContest(range: ranges.first { $0.isIPv4 })
        ipv6 = AddressContest(range: ranges.first { !$0.isIPv4 })
    }

    /// IPv4 first.
    func addresses(of name: ServiceName) -> [IPAddress] {
        [ipv4.address(of: name), ipv6.address(of: name)].compactMap { $0 }
    }

    func holder(of address: IPAddress) -> ServiceName? {
        address.isIPv4 ? ipv4.holders[address] : ipv6.holders[address]
    }

    /// An address that the definition names and another service has.
    func lostAddress(of name: ServiceName) -> (address: IPAddress, holder: ServiceName)? {
        for contest in [ipv4, ipv6] {
            guard let fixed = contest.bid(of: name)?.fixed, let holder = contest.holders[fixed], holder != name else {
                continue
            }
            return (fixed, holder)
        }
        return nil
    }

    /// Bids for a service as it is defined and claimed, or (`nil`) lets its addresses go. Returns the services whose
    /// addresses are others now, with those that they had.
    ///
    /// - Parameter draws: whether it may have addresses that its definition does not name.
    mutating func bid(for name: ServiceName, _ service: Service?, _ claim: AddressClaim, draws: Bool) -> [ServiceName:
        [IPAddress]]
    {
        let oldIPv4 = ipv4.place(bid(isIPv4: true, service, claim, draws), for: name)
        let oldIPv6 = ipv6.place(bid(isIPv4: false, service, claim, draws), for: name)
        var changed: [ServiceName: [IPAddress]] = [:]
        for name in Set(oldIPv4.keys).union(oldIPv6.keys) {
            let old = [oldIPv4[name] ?? ipv4.address(of: name), oldIPv6[name] ?? ipv6.address(of: name)]
            changed[name] = old.compactMap { $0 }
        }
        return changed
    }

    private func bid(
        isIPv4: Bool, _ service: Service?, _ claim: AddressClaim, _ draws: Bool
    ) -> AddressContest.Bid? {
        guard let service, service.kind.hasClusterIP else { return nil }
        let contest = isIPv4 ? ipv4 : ipv6
        let fixed = service.clusterIPs.first { $0.isIPv4 == isIPv4 }
        let wants = draws && contest.range != nil && wants(isIPv4: isIPv4, service)
        guard fixed != nil || wants else { return nil }
        let held = claim.held.first { $0.isIPv4 == isIPv4 && contest.range?.contains($0) == true }
        return AddressContest.Bid(since: claim.since, fixed: fixed, held: held, draws: draws)
    }

    private func wants(isIPv4: Bool, _ service: Service) -> Bool {
        switch service.families {
        case .first: service.clusterIPs.isEmpty && isIPv4 == (ipv4.range != nil)
        case .ipv4: isIPv4
        case .ipv6: !isIPv4
        case .both: true
        }
    }
}

extension Service.Kind {
    /// Whether services of this kind have addresses of their own.
    package var hasClusterIP: Bool {
        switch self {
        case .clusterIP, .nodePort, .loadBalancer: true
        case .headless, .externalName: false
        }
    }
}
