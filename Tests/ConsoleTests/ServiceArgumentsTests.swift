import Arguments
import ControlAPI
import Testing
import Wire

@testable import Console

@Suite struct ServiceArgumentsTests {
    private func definition(_ line: String) throws -> ServiceDefinition {
        let words = ["service", "add"] + line.split(separator: " ").map(String.init)
        return try ServiceArguments(try Parser.parse(words, for: Programs.meshctl.command)).definition
    }

    @Test func `every option has its place in the definition`() throws {
        let line = """
            web.shop --port 80:8080/tcp=http -p 53/UDP --endpoint 172.17.0.2@edge-2,weight=3 -e fd00::2 \
            --container nginx --cluster-ip 10.96.0.5 --headless --external-name db.example.org --node-port 80:30080 \
            --affinity 2m --balancing round-robin --prefer same-node
            """
        var expected = ServiceDefinition(namespace: "shop", name: "web")
        expected.ports = [
            .init(name: "http", transport: "TCP", port: 80, target: 8080, nodePort: 30_080),
            .init(transport: "UDP", port: 53),
        ]
        expected.members = [
            .init(try #require(IPAddress("172.17.0.2")), node: "edge-2", weight: 3),
            .init(try #require(IPAddress("fd00::2"))),
        ]
        expected.containers = ["nginx"]
        expected.clusterIPs = [try #require(IPAddress("10.96.0.5"))]
        expected.isHeadless = true
        expected.externalName = "db.example.org"
        expected.affinitySeconds = 120
        expected.balancing = "round-robin"
        expected.preference = "same-node"
        #expect(try definition(line) == expected)
    }

    @Test func `what is left out has the simplest meaning`() throws {
        let definition = try definition("web --port 80")
        #expect(definition.namespace == "default" && definition.name == "web")
        #expect(definition.ports == [.init(port: 80)])
        #expect(definition.preference == nil && definition.balancing == nil && definition.members.isEmpty)
        #expect(try self.definition("web -n shop -p 80").namespace == "shop")
        #expect(try self.definition("web.shop -n shop -p 80").namespace == "shop")
        #expect(try self.definition("web -p 80 --nearest").preference == "nearest")
    }

    @Test func `a node port belongs to the only port, or to all of its number`() throws {
        #expect(try definition("web -p 80 --node-port 30080").ports.map(\.nodePort) == [30_080])
        let both = try definition("dns -p 53=a -p 53/udp=b -p 80=c --node-port 53:30053")
        #expect(both.ports.map(\.nodePort) == [30_053, 30_053, nil])
    }

    @Test(arguments: [
        ("web -p http", "--port must be PORT[:TARGET][/PROTOCOL][=NAME], not 'http'"),
        ("web -p 0", "--port must be PORT"), ("web -p 80:", "--port must be PORT"),
        ("web -p 65536", "--port must be PORT"),
        ("web -p +80", "--port must be PORT"), ("web -p 80/icmp", "--port must be PORT"),
        ("web -p 80=", "--port must be PORT"), ("web -p 80:8080:1", "--port must be PORT"),
        ("web -p 80 -e edge-2", "--endpoint must be ADDRESS[@NODE][,weight=N], not 'edge-2'"),
        ("web -p 80 -e 172.17.0.2:8080", "--endpoint must be ADDRESS"),
        ("web -p 80 -e 172.17.0.2@", "--endpoint '172.17.0.2@' names no node"),
        ("web -p 80 -e 172.17.0.2,weight=1001", "--endpoint knows 'weight='"),
        ("web -p 80 -e 172.17.0.2,share=3", "--endpoint knows 'weight='"),
        ("web -p 80 --cluster-ip None", "--cluster-ip must be an address, not 'None'"),
        ("web -p 80 --node-port x", "--node-port must be [PORT:]NODEPORT, not 'x'"),
        ("web -p 80 -p 81 --node-port 30080", "--node-port 30080 does not say which of 2 ports it is for"),
        ("web -p 80 --node-port 81:30080", "--node-port 81:30080 is for a port that the service does not have"),
        ("web.shop -n test -p 80", "'web.shop' and --namespace test name two namespaces"),
        ("web -p 80 --nearest --prefer same-zone", "--nearest and --prefer same-zone contradict each other"),
    ])
    func `what cannot be understood is refused before the agent is asked`(_ line: String, _ message: String) {
        #expect {
            try definition(line)
        } throws: {
            guard let failure = $0 as? Failure else { return false }
            return failure.code == .usage && failure.message.hasPrefix(message) && failure.nextStep != nil
        }
    }

    @Test func `an endpoint with a port is shown where the port belongs`() {
        #expect {
            try definition("web -p 80 -e 172.17.0.2:8080")
        } throws: {
            ($0 as? Failure)?.nextStep == "give the port in --port, as in --port 80:8080"
        }
    }

    @Test func `an address is looked up backwards under its reverse name`() throws {
        #expect(try #require(IPAddress("10.96.0.5")).reverseName == "5.0.96.10.in-addr.arpa")
        #expect(
            try #require(IPAddress("fd96::5")).reverseName
                == "5." + String(repeating: "0.", count: 27) + "6.9.d.f.ip6.arpa")
    }
}
