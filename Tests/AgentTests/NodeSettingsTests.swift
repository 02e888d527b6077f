import Agent
import Configuration
import Mesh
import Testing
import Wire

/// What of a configuration the node is told.
@Suite struct NodeSettingsTests {
    private func settings(of name: String, _ change: (inout Configuration) -> Void) throws -> NodeConfiguration {
        var configuration = Configuration(nodeName: try #require(NodeName(name)))
        configuration.relayNodes = [
            .init(
                nodeName: try #require(NodeName("hub-1")),
                advertiseAddress: [
                    .init(address: try #require(IPAddress("192.0.2.1")), port: nil),
                    .init(address: try #require(IPAddress("2001:db8::1")), port: 4000),
                ]),
            .init(nodeName: try #require(NodeName("hub-2")), advertiseAddress: []),
        ]
        change(&configuration)
        return NodeConfiguration(
            configuration, name: try #require(NodeName(name)), local: LocalAddresses(), streamPort: 443)
    }

    private let stated = ["192.0.2.1:20007", "[2001:db8::1]:4000"].compactMap { Endpoint($0) }

    @Test func `relays of the list are preferred, and tried where the list says`() throws {
        let settings = try settings(of: "edge-1") { _ in }
        #expect(settings.preferredRelays == ["hub-1", "hub-2"])
        #expect(settings.relayAddresses["hub-1"] == stated)
        #expect(settings.advertised.isEmpty)
    }

    @Test func `a node that finds itself in the list advertises what that says of it`() throws {
        let settings = try settings(of: "hub-1") { configuration in
            configuration.advertise = [.init(address: IPAddress("192.0.2.1")!, port: 20007)]
        }
        #expect(settings.advertised == stated)
        #expect(settings.relayAddresses["hub-1"] == nil)
    }
}
