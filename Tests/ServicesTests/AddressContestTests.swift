import SansIO
import Testing
import Wire

@testable import Services

/// Cluster addresses without a coordinator: every node settles who has which in the same way.
@Suite struct AddressContestTests {
    private let range = IPPrefix(literal: "10.96.0.0/27")

    private func bid(_ since: UInt64, fixed: String? = nil, held: String? = nil) -> AddressContest.Bid {
        AddressContest.Bid(
            since: since, fixed: fixed.map { IPAddress(literal: $0) }, held: held.map { IPAddress(literal: $0) })
    }

    @Test func `a name has the same address everywhere and for ever`() {
        // Frozen: nodes of different releases agree on these.
        let ipv4 = AddressDraws(range: IPPrefix(literal: "10.96.0.0/16"))
        let ipv6 = AddressDraws(range: IPPrefix(literal: "fd12:3456::/64"))
        let name = ServiceName("web")
        #expect(ipv4.address(0, for: name)?.description == "10.96.147.43")
        #expect(ipv4.address(1, for: name)?.description == "10.96.138.117")
        #expect(ipv6.address(0, for: name)?.description == "fd12:3456::4966:d974:1a8:cbb6")
    }

    @Test(arguments: ["10.96.0.0/16", "10.96.0.0/24", "10.96.0.0/29", "fd00::/64", "fd00::/112", "fd00::/48"])
    func `draws stay inside the range, clear of its ends and of what is left to those who name addresses`(text: String)
        throws
    {
        let range = IPPrefix(literal: text)
        let draws = AddressDraws(range: range)
        let network = range.address
        let reserved = (range.address.bitCount - range.length) >= 12 ? try #require(range.address(at: 256)) : network
        for number in 0..<200 {
            let address = try #require(draws.address(number % 7, for: ServiceName("s\(number)")))
            #expect(range.contains(address) && address > network && address >= reserved)
            if range.isIPv4 { #expect(range.address(at: UInt64(1 << (32 - range.length)) - 1) != address) }
        }
    }

    @Test func `every address of a small range is drawn before anybody goes without`() {
        var contest = AddressContest(range: IPPrefix(literal: "10.96.0.0/27"))
        for number in 0..<40 { _ = contest.place(bid(1), for: ServiceName("s\(number)")) }
        // 32 less the network, the last, and none reserved in so small a range.
        #expect(contest.holders.count == 30)
        #expect(Set(contest.holders.values).count == 30)
    }

    @Test(arguments: 0..<200 as Range<UInt64>)
    func `the outcome does not depend on the order in which bids come and go`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let names = (0..<24).map { ServiceName("s\($0)") }
        func randomBid() -> AddressContest.Bid {
            let roll = Int.random(in: 0..<6, using: &random)
            return bid(
                UInt64.random(in: 1...3, using: &random),
                fixed: roll == 0 ? "10.96.0.\(Int.random(in: 1...12, using: &random))" : nil,
                held: roll == 1 || roll == 2 ? "10.96.0.\(Int.random(in: 1...30, using: &random))" : nil)
        }
        let bids = Dictionary(uniqueKeysWithValues: names.map { ($0, Bool.random(using: &random) ? randomBid() : nil) })
        var outcomes: [[IPAddress: ServiceName]] = []
        for _ in 0..<3 {
            var contest = AddressContest(range: range)
            // History that is gone leaves no trace.
            for _ in 0..<Int.random(in: 0..<60, using: &random) {
                let name = names.randomElement(using: &random) ?? names[0]
                let before = contest.holders
                let changed = contest.place(Bool.random(using: &random) ? randomBid() : nil, for: name)
                let different = Set(before.values).union(contest.holders.values).filter { name in
                    before.first { $0.value == name }?.key != contest.address(of: name)
                }
                #expect(Set(changed.keys) == different)
            }
            for name in names.shuffled(using: &random) { _ = contest.place(bids[name] ?? nil, for: name) }
            outcomes.append(contest.holders)
            for (address, name) in contest.holders { #expect(contest.address(of: name) == address) }
        }
        #expect(outcomes[0] == outcomes[1] && outcomes[1] == outcomes[2])
    }

    @Test func `a named address beats a held one, a held one beats a drawn one, the earlier claim beats the later`() {
        var contest = AddressContest(range: range)
        let old = ServiceName("old")
        let young = ServiceName("young")
        _ = contest.place(bid(1, held: "10.96.0.20"), for: old)
        _ = contest.place(bid(2, held: "10.96.0.20"), for: young)
        #expect(contest.address(of: old) == IPAddress(literal: "10.96.0.20"))
        let elsewhere = contest.address(of: young)
        #expect(elsewhere != nil && elsewhere != IPAddress(literal: "10.96.0.20"))
        let changed = contest.place(bid(9, fixed: "10.96.0.20"), for: ServiceName("named"))
        #expect(Set(changed.keys) == [ServiceName("named"), old])
        #expect(changed[old] == IPAddress(literal: "10.96.0.20"))
        #expect(contest.address(of: ServiceName("named")) == IPAddress(literal: "10.96.0.20"))
        // When it goes, the earliest of those who would have it takes it back.
        _ = contest.place(nil, for: ServiceName("named"))
        #expect(contest.address(of: old) == IPAddress(literal: "10.96.0.20"))
        #expect(contest.address(of: young) == elsewhere)
    }

    @Test func `a service keeps its address while others come and go`() {
        var random = SeededRandom(seed: 3)
        var catalog = Catalog(ownNode: "here", serviceRanges: [IPPrefix(literal: "10.96.0.0/24")])
        var addresses: [ServiceName: [IPAddress]] = [:]
        for round in 0..<600 {
            let name = "s\(Int.random(in: 0..<120, using: &random))"
            let service = ServiceName(name)
            let change: CatalogChange.Content =
                addresses[service] == nil ? .update([.service(.sample(name))]) : .delete([.service(service)])
            _ = catalog.apply(CatalogChange(.containers, change), at: UInt64(round))
            if addresses.removeValue(forKey: service) == nil {
                addresses[service] = catalog.service(service)?.clusterIPs
            }
            for (name, expected) in addresses { #expect(catalog.service(name)?.clusterIPs == expected) }
        }
        #expect(Set(addresses.values.flatMap { $0 }).count == addresses.count)
    }

    @Test(arguments: 0..<30 as Range<UInt64>)
    func `two parts of a mesh that gave addresses away apart agree when they meet`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let range = IPPrefix(literal: "10.96.0.0/26")
        var nodes = ["a", "b", "c"].map { Catalog(ownNode: $0, serviceRanges: [range]) }
        // Apart: each node defines services of its own, some of the same name.
        for step in 0..<40 {
            let at = Int.random(in: 0..<3, using: &random)
            let name = "s\(Int.random(in: 0..<25, using: &random))"
            let source = SourceID(.containers, node: nodes[at].ownNode)
            _ = nodes[at].apply(CatalogChange(source, .update([.service(.sample(name))])), at: UInt64(100 + step))
        }
        // Together: everyone tells everyone what its own sources say, claims as settled, until nothing moves.
        for round in 0..<6 {
            let announcements = nodes.map { node in
                let source = SourceID(.containers, node: node.ownNode)
                return CatalogChange.everything(node.objects(of: source), from: source)
            }
            for at in nodes.indices {
                for announcement in announcements.shuffled(using: &random)
                where announcement.source.node != nodes[at].ownNode {
                    let delta = nodes[at].apply(announcement, at: 500)
                    #expect(round < 4 || delta.isEmpty, "still moving in round \(round)")
                }
            }
        }
        let names = nodes[0].serviceNames
        for name in names {
            let address = nodes[0].service(name)?.clusterIPs
            #expect(address?.count == 1)
            #expect(nodes[1].service(name)?.clusterIPs == address && nodes[2].service(name)?.clusterIPs == address)
            #expect(address.flatMap { nodes[0].service(atClusterIP: $0[0]) } == name)
        }
        #expect(Set(names.compactMap { nodes[0].service($0)?.clusterIPs }).count == names.count)
    }

    @Test func `families are drawn as a service asks for them`() {
        var catalog = Catalog(
            ownNode: "here", serviceRanges: [IPPrefix(literal: "10.96.0.0/16"), IPPrefix(literal: "fd96::/112")])
        func families(_ wanted: Service.Families, fixed: [String] = [], from source: SourceID = .manifests) -> [Bool] {
            var service = Service.sample("web", at: fixed)
            service.families = wanted
            _ = catalog.apply(CatalogChange(source, .update([.service(service)])), at: 1)
            let addresses = catalog.service(ServiceName("web"))?.clusterIPs ?? []
            _ = catalog.apply(CatalogChange(source, .withdrawal), at: 1)
            return addresses.map(\.isIPv4)
        }
        #expect(families(.first) == [true])
        #expect(families(.ipv6) == [false])
        #expect(families(.both) == [true, false])
        #expect(families(.first, fixed: ["fd96::7"]) == [false])
        #expect(families(.both, fixed: ["fd96::7"]) == [true, false])
        #expect(families(.both, from: .api) == [], "the API gives its services their addresses itself")
    }

    @Test func `the loser of a named address is told who has it`() {
        var catalog = Catalog(ownNode: "here", serviceRanges: [range])
        _ = catalog.apply(CatalogChange(.manifests, .update([.service(.sample("a", at: ["10.96.0.9"]))])), at: 1)
        _ = catalog.apply(CatalogChange(.manifests, .update([.service(.sample("b", at: ["10.96.0.9"]))])), at: 2)
        let lost = catalog.lostAddress(of: ServiceName("b"))
        #expect(lost?.address == IPAddress(literal: "10.96.0.9") && lost?.holder == ServiceName("a"))
        #expect(catalog.lostAddress(of: ServiceName("a")) == nil)
        #expect(catalog.service(ServiceName("b"))?.clusterIPs.count == 1)
    }
}
