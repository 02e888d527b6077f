import Crypto
import SansIO
import Testing
import Wire

@testable import PortMapping

@Suite struct PortMapperTests {
    private let outside = Endpoint(.v4(IPv4Address(203, 0, 113, 5)), port: 20007)

    @Test(arguments: MappingMethod.allCases)
    func `a gateway of one protocol maps the port, and the mapping goes with us`(method: MappingMethod) throws {
        var gateway = FakeGateway([method])
        gateway.follow()
        gateway.run(for: .seconds(5))
        let lease = try #require(gateway.lease)
        #expect(lease.external == outside)
        #expect(lease.method == method)
        #expect(gateway.mappings[FakeGateway.host] == 20007)
        #expect(gateway.events == [.mapped(FakeGateway.target, lease)])
        gateway.release()
        gateway.run(for: .milliseconds(100))
        #expect(gateway.mappings.isEmpty)
        #expect(gateway.mapper.isReleased)
        #expect(gateway.mapper.counts[.released] == 1)
        #expect(gateway.mapper.nextDeadline == nil)
    }

    @Test func `all protocols are asked at once, and the best of those that answer is used`() throws {
        var gateway = FakeGateway(Set(MappingMethod.allCases))
        gateway.delays = [.pcp: .milliseconds(120), .natPMP: .milliseconds(10), .upnp: .milliseconds(1)]
        gateway.follow()
        #expect(Set(gateway.requests.map(\.method)) == Set(MappingMethod.allCases))
        gateway.run(for: .milliseconds(150))
        #expect(gateway.lease?.method == .pcp)
    }

    @Test func `a better protocol that stays silent is not waited for`() {
        var gateway = FakeGateway([.natPMP, .pcp, .upnp])
        gateway.delays = [.pcp: .seconds(2)]
        gateway.follow()
        gateway.run(for: .milliseconds(300))
        #expect(gateway.lease?.method == .natPMP)
        gateway.run(for: .seconds(3))
        #expect(gateway.lease?.method == .natPMP, "a late answer changes nothing")
        #expect(gateway.events.count == 1)
    }

    @Test func `a gateway that refuses PCP by its version is asked by NAT-PMP without delay`() {
        var gateway = FakeGateway([.natPMP])
        gateway.follow()
        gateway.run(for: .milliseconds(10))
        #expect(gateway.lease?.method == .natPMP)
        #expect(gateway.problem == nil)
    }

    @Test func `lost requests are repeated from 250 ms on, twice as late each time`() {
        var gateway = FakeGateway([.pcp])
        gateway.losses = 100
        gateway.follow()
        gateway.run(for: .milliseconds(900))
        gateway.losses = 0
        #expect(gateway.lease == nil)
        gateway.run(for: .seconds(2))
        #expect(gateway.lease?.method == .pcp)
    }

    @Test func `a refusal by one protocol leaves the others, and is told when none is left`() {
        var gateway = FakeGateway(Set(MappingMethod.allCases))
        gateway.pcpResult = .notAuthorized
        gateway.follow()
        gateway.run(for: .seconds(1))
        #expect(gateway.lease?.method == .natPMP)

        gateway = FakeGateway([.pcp, .natPMP])
        gateway.pcpResult = .noResources
        gateway.natPMPResult = .noResources
        gateway.follow()
        gateway.run(for: .seconds(10))
        #expect(gateway.lease == nil)
        #expect(gateway.problem == .refused(.pcp, .pcp(.noResources)), "what the better protocol said counts")
        #expect(gateway.mapper.counts[.refused] == 2)
        gateway.speaks = []
        gateway.run(for: .seconds(3600))
        #expect(gateway.problem == .unanswered, "and only as long as it is said")
    }

    @Test func `without any answer it is asked again soon, then ever less often`() {
        var gateway = FakeGateway([])
        gateway.follow()
        gateway.run(for: .seconds(3600))
        #expect(gateway.problem == .unanswered)
        #expect(gateway.events == [.failed(FakeGateway.target, .unanswered)], "told once")
        let rounds = gateway.requests.filter { $0.method == .pcp }.count / 4
        #expect((5...12).contains(rounds))
        gateway.speaks = [.pcp]
        gateway.run(for: Mapping.retryDelays.upperBound)
        #expect(gateway.lease?.method == .pcp)
    }

    @Test(arguments: MappingMethod.allCases)
    func `a mapping is renewed at half its life at the latest`(method: MappingMethod) throws {
        var gateway = FakeGateway([method])
        gateway.follow()
        gateway.run(for: .seconds(5))
        let first = try #require(gateway.lease)
        gateway.run(for: .seconds(3590))
        gateway.run(for: .seconds(20))
        let second = try #require(gateway.lease)
        #expect(second.expiresAt > first.expiresAt)
        #expect(gateway.mapper.counts[.renewed] >= 1)
        gateway.run(for: .seconds(100_000))
        #expect(gateway.lease?.external == outside)
        #expect(gateway.mapper.counts[.lost] == 0)
        #expect(gateway.events.count == 1, "a renewal is nothing to speak of")
    }

    @Test func `a mapping whose renewals stay unanswered is held to its end, then sought by all protocols`() {
        var gateway = FakeGateway([.natPMP])
        gateway.follow()
        gateway.run(for: .seconds(5))
        gateway.speaks = []
        gateway.run(for: .seconds(7000))
        #expect(gateway.lease != nil)
        gateway.run(for: .seconds(300))
        #expect(gateway.lease == nil)
        #expect(gateway.mapper.counts[.lost] == 1)
        gateway.speaks = [.upnp]
        gateway.run(for: .seconds(1200))
        #expect(gateway.lease?.method == .upnp)
        #expect(gateway.lease?.external == outside, "the old port is asked for")
    }

    @Test func `a gateway that starts anew is asked again when it announces that`() {
        var gateway = FakeGateway([.pcp])
        gateway.follow()
        gateway.run(for: .seconds(60))
        gateway.restart()
        let announcement = PCPResponse(
            result: .success, lifetimeSeconds: 0, epochSeconds: 0, content: .announcement)
        gateway.receive(announcement.bytes, from: FakeGateway.gateway.endpoint(port: 5351))
        #expect(gateway.mappings.isEmpty)
        gateway.run(for: .seconds(2))
        #expect(gateway.mappings[FakeGateway.host] == 20007)
        #expect(gateway.events.last == .restarted(FakeGateway.gateway))
        for _ in 0..<50 {
            gateway.receive(announcement.bytes, from: FakeGateway.gateway.endpoint(port: 5351))
            gateway.run(for: .milliseconds(100))
        }
        #expect(
            gateway.requests.count { $0.method == .pcp } <= 4, "a storm of announcements does not make one of requests")
    }

    @Test func `a new address outside is taken over from an announcement`() {
        var gateway = FakeGateway([.natPMP])
        gateway.follow()
        gateway.run(for: .seconds(60))
        gateway.external = .v4(IPv4Address(198, 51, 100, 7))
        let announcement = NATPMPResponse(
            epochSeconds: gateway.epochSeconds, content: .externalAddress(IPv4Address(198, 51, 100, 7)))
        gateway.receive(announcement.bytes, from: FakeGateway.gateway.endpoint(port: 5351))
        gateway.run(for: .seconds(2))
        #expect(gateway.lease?.external.address == gateway.external)
        #expect(gateway.events.last == gateway.lease.map { .mapped(FakeGateway.target, $0) })
    }

    @Test func `another gateway is asked at once, and the old mapping is deleted`() {
        var gateway = FakeGateway([.pcp])
        gateway.follow()
        gateway.run(for: .seconds(1))
        let router = Gateway(.v4(IPv4Address(192, 168, 2, 1)), interface: 3)
        let other = MappingTarget(Endpoint(.v4(IPv4Address(192, 168, 2, 10)), port: 20007), through: router)
        gateway.follow([other])
        #expect(gateway.requests.count { $0.method == .pcp } == 3)
        gateway.run(for: .seconds(2))
        #expect(gateway.mapper.statuses.map(\.target) == [other])
    }

    @Test(arguments: MappingMethod.allCases)
    func `what is wanted again while it is being deleted is asked for when that is done`(method: MappingMethod) {
        var gateway = FakeGateway([method])
        gateway.follow()
        gateway.run(for: .seconds(5))
        gateway.release()
        gateway.follow()
        gateway.run(for: .seconds(5))
        #expect(gateway.lease?.method == method)
        #expect(gateway.mappings[FakeGateway.host] == 20007)
    }

    @Test func `a restarted node finds its mapping by the same nonce`() {
        var gateway = FakeGateway([.pcp])
        gateway.follow()
        gateway.run(for: .seconds(1))
        let remembered = gateway.mapper.knownPorts
        #expect(remembered == [FakeGateway.host: 20007])
        gateway.mapper = PortMapper(secret: Secret([UInt8](repeating: 7, count: 32)), remembered: remembered, seed: 2)
        gateway.follow()
        gateway.run(for: .seconds(1))
        #expect(gateway.lease?.external == outside)
        gateway.mapper = PortMapper(secret: Secret([UInt8](repeating: 8, count: 32)), seed: 2)
        gateway.follow()
        gateway.run(for: .seconds(10))
        #expect(gateway.problem == .refused(.pcp, .pcp(.notAuthorized)), "another secret makes another nonce")
    }

    @Test func `a private address outside tells of a second NAT`() throws {
        var gateway = FakeGateway([.pcp])
        gateway.external = .v4(IPv4Address(100, 64, 0, 9))
        gateway.follow()
        gateway.run(for: .seconds(1))
        let lease = try #require(gateway.lease)
        #expect(lease.isBehindAnotherNAT)
    }

    @Test func `a pinhole is opened for a global IPv6 address, by PCP or by UPnP`() {
        for method in [MappingMethod.pcp, .upnp] {
            var gateway = FakeGateway([method])
            gateway.follow([FakeGateway.target6])
            gateway.run(for: .seconds(5))
            #expect(gateway.lease?.external == FakeGateway.host6)
            #expect(gateway.lease?.isBehindAnotherNAT == false)
            gateway.run(for: .seconds(10_000))
            #expect(gateway.mappings[FakeGateway.host6] == 20007)
            gateway.release()
            gateway.run(for: .seconds(1))
            #expect(gateway.mappings.isEmpty)
        }
    }

    @Test func `a deletion that is not answered ends after a second`() {
        var gateway = FakeGateway([.pcp])
        gateway.follow()
        gateway.run(for: .seconds(1))
        gateway.losses = 100
        gateway.release()
        #expect(!gateway.mapper.isReleased)
        gateway.run(for: Mapping.releaseTimeout)
        #expect(gateway.mapper.isReleased)
    }
}
