import SansIO
import Testing
import Wire

@testable import Mesh

@Suite struct OwnCandidatesTests {
    private let now = Instant.zero + .seconds(100)
    private let outside = Endpoint("198.51.100.7:20007")!

    private func endpoints(_ own: OwnCandidates, advertised: [String] = [], local: [String] = []) -> [String] {
        own.list(advertised: advertised.map { Endpoint($0)! }, local: local.map { Endpoint($0)! })
            .map(\.endpoint.description)
    }

    @Test func `candidates come in the order in which they are likely to work, each once`() {
        var own = OwnCandidates()
        own.observe(outside, by: .peer(1), at: now)
        own.setMapped(
            [MappedEndpoint(Endpoint("198.51.100.7:40000")!, by: .pcp, expiresAt: now + .seconds(60))], at: now)
        let list = own.list(
            advertised: [Endpoint("203.0.113.1:20007")!, Endpoint("203.0.113.2:20007")!],
            local: [Endpoint("[2001:db8::1]:20007")!, Endpoint("192.168.1.2:20007")!, Endpoint("203.0.113.2:20007")!])
        #expect(
            list.map(\.endpoint.description) == [
                "203.0.113.1:20007", "203.0.113.2:20007", "198.51.100.7:40000", "[2001:db8::1]:20007",
                "198.51.100.7:20007", "192.168.1.2:20007",
            ])
        #expect(list.map(\.kind) == [.advertised, .advertised, .mapped, .interface, .reflexive, .privateInterface])
    }

    @Test
    func `what most observers see comes first, and a NAT that gives everybody another port changes nothing later`() {
        var own = OwnCandidates()
        own.observe(Endpoint("198.51.100.7:1001")!, by: .peer(1), at: now)
        own.observe(Endpoint("198.51.100.7:1002")!, by: .peer(2), at: now)
        #expect(endpoints(own) == ["198.51.100.7:1001", "198.51.100.7:1002"])
        for peer in 3..<20 as Range<UInt16> {
            own.observe(Endpoint(outside.address, port: 1000 + peer), by: .peer(Int(peer)), at: now)
        }
        #expect(endpoints(own) == ["198.51.100.7:1001", "198.51.100.7:1002"])
        own.observe(Endpoint("198.51.100.7:1019")!, by: .peer(18), at: now)
        #expect(endpoints(own) == ["198.51.100.7:1019", "198.51.100.7:1001"])
    }

    @Test func `a liar counts no more than anybody else`() {
        var own = OwnCandidates()
        for _ in 0..<100 { own.observe(Endpoint("203.0.113.66:53")!, by: .peer(9), at: now) }
        own.observe(outside, by: .peer(1), at: now)
        own.observe(outside, by: .peer(2), at: now)
        #expect(endpoints(own).first == outside.description)
        for peer in 0..<1000 {
            own.observe(Endpoint(outside.address, port: UInt16(2000 + peer)), by: .peer(peer), at: now)
        }
        #expect(own.observations.count == OwnCandidates.observationLimit)
    }

    @Test func `what nobody confirms and what is not renewed is forgotten`() {
        var own = OwnCandidates()
        own.observe(outside, by: .peer(1), at: now)
        own.setMapped(
            [MappedEndpoint(Endpoint("198.51.100.7:40000")!, by: .upnp, expiresAt: now + .seconds(60))], at: now)
        own.forget(before: now + .seconds(60))
        #expect(endpoints(own) == [outside.description])
        own.forget(before: now + OwnCandidates.memory + .seconds(1))
        #expect(endpoints(own).isEmpty)
    }

    @Test func `after a change of network the old address stays until somebody sees a new one`() {
        var own = OwnCandidates()
        own.observe(outside, by: .peer(1), at: now)
        own.observe(outside, by: .peer(2), at: now)
        own.observe(Endpoint("[2001:db8::7]:20007")!, by: .peer(2), at: now)
        own.networkChanged(at: now + .seconds(1))
        #expect(endpoints(own).count == 2)
        own.observe(Endpoint("203.0.113.9:20007")!, by: .peer(2), at: now + .seconds(2))
        #expect(endpoints(own) == ["203.0.113.9:20007", "[2001:db8::7]:20007"])
    }

    @Test func `the list is never longer than a record takes`() {
        var own = OwnCandidates()
        own.observe(outside, by: .peer(1), at: now)
        let local = (1...30).map { "192.168.1.\($0):20007" }
        #expect(endpoints(own, advertised: ["203.0.113.1:1"], local: local).count == OwnCandidates.limit)
        #expect(endpoints(own, local: local).first == outside.description)
    }
}
