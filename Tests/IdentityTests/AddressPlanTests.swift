import Crypto
import Testing
import Wire

@testable import Identity

@Suite struct AddressPlanTests {
    private let plan = AddressPlan(
        meshID: MeshID(Bytes32((0..<32).map { UInt8(0x10 + $0) })!), ipv4Range: IPPrefix("10.128.0.0/9")!)!

    @Test func `a subnet is a prefix of each family`() {
        #expect(plan.ipv6Range == IPPrefix("fd10:1112:1314::/48"))
        #expect(plan.prefixes(of: 0x1234) == [IPPrefix("10.146.52.0/24"), IPPrefix("fd10:1112:1314:1234::/64")])
        #expect(plan.addresses(of: 0x1234) == [IPAddress("10.146.52.1"), IPAddress("fd10:1112:1314:1234::1")])
        #expect(plan.subnet(of: IPAddress("10.146.52.77")!) == 0x1234)
        #expect(plan.subnet(of: IPAddress("fd10:1112:1314:1234::77")!) == 0x1234)
        #expect(plan.subnet(of: IPAddress("10.127.255.255")!) == nil)
        #expect(plan.subnet(of: IPAddress("fd10:1112:1315::1")!) == nil)
    }

    @Test func `clients have the first sixteen bits of the range`() {
        #expect(plan.nodeSubnets == 256...0x7fff)
        #expect(plan.prefixes(ofClient: 0x0102) == [IPPrefix("10.128.1.2/32"), IPPrefix("fd10:1112:1314::102/128")])
    }

    @Test func `services have the upper half of those, and clients' addresses are none of theirs`() throws {
        #expect(plan.serviceRanges == [IPPrefix("10.128.128.0/17"), IPPrefix("fd10:1112:1314::1:0/112")])
        for number in [1, 0x7f, 0x7fff] as [UInt16] {
            for prefix in plan.prefixes(ofClient: number) {
                #expect(!plan.serviceRanges.contains { $0.overlaps(prefix) }, "\(prefix)")
            }
        }
        #expect(!plan.serviceRanges.contains { range in plan.prefixes(of: 256).contains { $0.overlaps(range) } })
    }

    @Test(arguments: ["10.0.0.0/7", "10.128.0.0/16", "fd00::/9"])
    func `a range of another size or family makes no plan`(_ range: String) {
        #expect(AddressPlan(meshID: plan.meshID, ipv4Range: IPPrefix(range)!) == nil)
    }

    @Test func `the largest and the smallest range leave room for nodes`() throws {
        let large = try #require(AddressPlan(meshID: plan.meshID, ipv4Range: IPPrefix("10.0.0.0/8")!))
        #expect(large.nodeSubnets == 256...0xffff)
        #expect(large.prefixes(of: 0xffff)[0] == IPPrefix("10.255.255.0/24"))
        let small = try #require(AddressPlan(meshID: plan.meshID, ipv4Range: IPPrefix("100.64.0.0/15")!))
        #expect(small.nodeSubnets == 256...511)
    }

    @Test(
        arguments: [
            ("10.128.0.0/9", 256...0x7fff), ("10.129.0.0/16", 256...511), ("10.200.7.0/24", 0x4807...0x4807),
            ("10.128.0.0/15", 256...511),
        ] as [(String, ClosedRange<UInt16>)])
    func `a pool is a range of subnets`(_ pool: String, _ subnets: ClosedRange<UInt16>) {
        #expect(plan.subnets(in: IPPrefix(pool)!) == subnets)
    }

    @Test(arguments: [
        "10.128.0.0/16", "10.128.3.0/24", "10.200.7.0/25", "10.0.0.0/9", "10.0.0.0/8", "fd10:1112:1314::/48",
    ])
    func `a pool without subnets for nodes is none`(_ pool: String) {
        #expect(plan.subnets(in: IPPrefix(pool)!) == nil)
    }

    @Test func `draws stay in the pool, differ by attempt, and end at the last free subnet`() {
        let key = Bytes32([UInt8](repeating: 9, count: 32))!
        let pool = 1000...1015 as ClosedRange<UInt16>
        let draws = (0..<40 as Range<UInt32>).map { plan.subnet(for: key, attempt: $0, in: pool) }
        #expect(draws.allSatisfy(pool.contains))
        #expect(Set(draws).count > 8)
        var taken: Set<UInt16> = []
        while let subnet = plan.freeSubnet(for: key, in: pool, taken: taken) {
            #expect(!taken.contains(subnet))
            taken.insert(subnet)
        }
        #expect(taken == Set(pool))
    }

    @Test func `a client's number is its key's until another has it`() throws {
        let key = Bytes32([UInt8](repeating: 5, count: 32))!
        let first = try #require(plan.freeClientNumber(for: key, taken: []))
        let second = try #require(plan.freeClientNumber(for: key, taken: [first]))
        #expect(second == first % 32_767 + 1)
        #expect(plan.freeClientNumber(for: key, taken: Set(AddressPlan.clientNumbers)) == nil)
    }
}
