import Netfilter
import Testing
import Wire

@Suite struct HostRulesTests {
    private func rules(_ mappings: (String, String)..., bridge: String = "docker0") throws -> HostRules {
        HostRules(
            interface: "mesh0", meshPrefixes: [try #require(IPPrefix("10.128.0.0/9"))],
            mappings: try mappings.map { containers, mesh in
                HostRules.Mapping(
                    containers: try #require(IPPrefix(containers)), mesh: try #require(IPPrefix(mesh)), bridge: bridge)
            })
    }

    @Test func `blocks of one length that do not overlap are fine`() throws {
        let good = try rules(
            ("172.17.0.0/24", "10.130.7.0/24"), ("172.17.1.1", "10.130.8.1"), ("fd00::/64", "fd01::/64"))
        #expect(good.problem == nil)
    }

    @Test func `blocks of different lengths are refused by name`() throws {
        let problem = try rules(("172.17.0.0/16", "10.130.7.0/24")).problem
        #expect(problem?.contains("172.17.0.0/16 and 10.130.7.0/24") == true)
    }

    @Test func `blocks of different families are refused`() throws {
        #expect(try rules(("172.17.0.0/24", "fd00::/24")).problem != nil)
    }

    @Test func `an address that would be mapped twice is refused, on either side`() throws {
        #expect(try rules(("172.17.0.0/24", "10.130.7.0/24"), ("172.17.0.5", "10.130.8.1")).problem != nil)
        #expect(try rules(("172.17.0.0/24", "10.130.7.0/24"), ("172.18.0.5", "10.130.7.5")).problem != nil)
        var identity = try rules(("172.17.0.0/24", "10.130.7.0/24"))
        identity.identities = [try #require(IPPrefix("10.130.7.128/25"))]
        #expect(identity.problem != nil)
    }

    @Test(arguments: ["", "sixteen-bytes-ab"])
    func `a name that no interface can have is refused`(_ name: String) throws {
        #expect(try rules(("172.17.0.0/24", "10.130.7.0/24"), bridge: name).problem?.contains("interface name") == true)
    }
}
