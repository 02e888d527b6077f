import SansIO
import Testing
import Wire

@testable import Simulator

@Suite struct NATBoxTests {
    private static let outside = IPAddress.v4(IPv4Address(198, 18, 1, 2))
    private static let inside = Endpoint(.v4(IPv4Address(192, 168, 1, 2)), port: 20_007)
    private static let neighbour = Endpoint(.v4(IPv4Address(192, 168, 1, 3)), port: 20_007)
    private static let one = Endpoint(.v4(IPv4Address(203, 0, 113, 1)), port: 1000)
    private static let onePort = Endpoint(.v4(IPv4Address(203, 0, 113, 1)), port: 2000)
    private static let two = Endpoint(.v4(IPv4Address(203, 0, 113, 2)), port: 1000)
    private let now = Instant.zero + .seconds(1)

    private func box(_ behavior: NATBehavior) -> NATBox { NATBox(behavior, address: Self.outside, seed: 7) }

    // MARK: mapping and filtering

    @Test(arguments: NATBehavior.Dependence.allCases, NATBehavior.Dependence.allCases)
    func `mapping and filtering look at as much of the remote endpoint as they are told`(
        _ mapping: NATBehavior.Dependence, _ filtering: NATBehavior.Dependence
    ) throws {
        var nat = box(NATBehavior(mapping: mapping, filtering: filtering))
        let firstMapped = nat.outbound(from: Self.inside, to: Self.one, at: now)
        let toOne = try #require(firstMapped)
        let again = nat.outbound(from: Self.inside, to: Self.one, at: now)
        #expect(again == toOne && toOne.address == Self.outside)

        // Strangers, before anything was sent to them.
        let fromOtherPort = nat.inbound(to: toOne, from: Self.onePort, at: now)
        let fromOtherAddress = nat.inbound(to: toOne, from: Self.two, at: now)
        let fromOne = nat.inbound(to: toOne, from: Self.one, at: now)
        #expect(fromOne == Self.inside)
        #expect((fromOtherPort == Self.inside) == (filtering != .addressAndPortDependent))
        #expect((fromOtherAddress == Self.inside) == (filtering == .endpointIndependent))

        let toOtherPort = nat.outbound(from: Self.inside, to: Self.onePort, at: now)
        let toTwo = nat.outbound(from: Self.inside, to: Self.two, at: now)
        #expect((toOtherPort == toOne) == (mapping != .addressAndPortDependent))
        #expect((toTwo == toOne) == (mapping == .endpointIndependent))
    }

    @Test func `two hosts inside never share an outside endpoint`() {
        var nat = box(.home)
        let first = nat.outbound(from: Self.inside, to: Self.one, at: now)
        let second = nat.outbound(from: Self.neighbour, to: Self.one, at: now)
        #expect(first?.port == 20_007, "kept, since it was free")
        #expect(second != nil && second != first)
    }

    @Test func `a mapping ends when nothing was sent for its lifetime`() throws {
        var behavior = NATBehavior.fullCone
        behavior.lifetime = .seconds(30)
        var nat = box(behavior)
        let mapped = nat.outbound(from: Self.inside, to: Self.one, at: now)
        let outside = try #require(mapped)
        let inTime = nat.inbound(to: outside, from: Self.one, at: now + .seconds(29))
        #expect(inTime == Self.inside)
        let late = nat.inbound(to: outside, from: Self.one, at: now + .seconds(30))
        #expect(late == nil, "what came in did not keep it")
        let anew = nat.outbound(from: Self.inside, to: Self.one, at: now + .seconds(30))
        #expect(anew != nil && anew != outside)
    }

    @Test func `inbound packets keep a mapping where the box is made so`() throws {
        var behavior = NATBehavior.portRestricted
        behavior.lifetime = .seconds(30)
        behavior.isKeptByInbound = true
        var nat = box(behavior)
        let mapped = nat.outbound(from: Self.inside, to: Self.one, at: now)
        let outside = try #require(mapped)
        for step in 1...5 {
            let inside = nat.inbound(to: outside, from: Self.one, at: now + .seconds(20 * step))
            #expect(inside == Self.inside)
        }
    }

    // MARK: ports

    @Test func `ports in a row, in steps, and around the end`() throws {
        var behavior = NATBehavior.predictable
        behavior.allocation = .stride(2)
        behavior.ports = 5000...5009
        var nat = box(behavior)
        let ports = (0..<5).compactMap { step in
            nat.outbound(from: Self.inside, to: Endpoint(Self.one.address, port: UInt16(step)), at: now)?.port
        }
        #expect(ports.count == 5)
        for (earlier, later) in zip(ports, ports.dropFirst()) {
            #expect(later == earlier + 2 || later == 5000, "\(ports)")
        }
    }

    @Test func `each inside address has a port block of its own`() {
        var behavior = NATBehavior.carrier
        behavior.mapping = .addressAndPortDependent
        behavior.allocation = .block(64)
        var nat = box(behavior)
        var blocks: [Set<Int>] = []
        for host in [Self.inside, Self.neighbour] {
            let ports = (0..<40).compactMap { step in
                nat.outbound(from: host, to: Endpoint(Self.one.address, port: UInt16(step)), at: now)?.port
            }
            #expect(Set(ports).count == 40)
            blocks.append(Set(ports.map { (Int($0) - 1024) / 64 }))
        }
        #expect(blocks[0].count == 1 && blocks[1].count == 1 && blocks[0] != blocks[1])
    }

    @Test func `when all ports are taken nothing more gets out, until one is free again`() {
        var behavior = NATBehavior.symmetric
        behavior.ports = 5000...5003
        var nat = box(behavior)
        let outside = (0..<5).map { step in
            nat.outbound(from: Self.inside, to: Endpoint(Self.one.address, port: UInt16(step)), at: now)
        }
        #expect(outside.compactMap { $0 }.count == 4 && outside[4] == nil)
        let later = nat.outbound(from: Self.inside, to: Self.two, at: now + behavior.lifetime)
        #expect(later != nil)
    }

    // MARK: change

    @Test(arguments: [NATBehavior.home, .portRestricted, .symmetric])
    func `after a rebinding the same flow has another port, and the old one leads nowhere`(_ behavior: NATBehavior)
        throws
    {
        var nat = box(behavior)
        let mapped = nat.outbound(from: Self.inside, to: Self.one, at: now)
        let before = try #require(mapped)
        nat.rebind()
        let stale = nat.inbound(to: before, from: Self.one, at: now)
        let after = nat.outbound(from: Self.inside, to: Self.one, at: now)
        #expect(stale == nil && after != nil && after != before)
    }

    @Test func `a new outside address ends all mappings`() throws {
        var nat = box(.fullCone)
        let mapped = nat.outbound(from: Self.inside, to: Self.one, at: now)
        let before = try #require(mapped)
        let address = IPAddress.v4(IPv4Address(198, 18, 1, 3))
        nat.address = address
        let stale = nat.inbound(to: before, from: Self.one, at: now)
        let after = nat.outbound(from: Self.inside, to: Self.one, at: now)
        #expect(stale == nil && after?.address == address && nat.mappingCount == 1)
    }

    @Test func `a firewall keeps endpoints and lets in whom the inside has spoken to`() {
        var firewall = box(.firewall)
        let inside = Endpoint(.v6(IPv6Address(high: 0x2001_0db8_0000_0001, low: 2)), port: 20_007)
        let remote = Endpoint(.v6(IPv6Address(high: 0x2001_0db8_0000_0002, low: 2)), port: 20_007)
        let unasked = firewall.inbound(to: inside, from: remote, at: now)
        let outside = firewall.outbound(from: inside, to: remote, at: now)
        let answer = firewall.inbound(to: inside, from: remote, at: now)
        #expect(unasked == nil && outside == inside && answer == inside)
    }

    @Test func `one seed gives the same ports`() {
        var first = box(.symmetric)
        var second = box(.symmetric)
        for step in 0..<100 as Range<UInt16> {
            let remote = Endpoint(Self.one.address, port: step)
            let (one, other) = (
                first.outbound(from: Self.inside, to: remote, at: now),
                second.outbound(from: Self.inside, to: remote, at: now)
            )
            #expect(one == other)
        }
    }
}
