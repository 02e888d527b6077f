import SansIO
import Testing
import Wire
import YAML

@testable import Configuration

@Suite struct ConfigurationReaderTests {
    private let defaults = Configuration(nodeName: .example)

    @Test(arguments: ["", "# nothing\n", "---\n", "listen:\n", "{}", "listen:\nlimits: {}\n"])
    func `an empty file means the defaults`(_ text: String) throws {
        #expect(try read(text) == defaults)
    }

    @Test func `every key is read`() throws {
        let configuration = try read(
            """
            node: {name: hub-1.example}
            interface: mesh7
            mtu: 1280
            ipv4Range: 10.64.0.0/12
            listen:
              port: 4500
              addresses: [192.0.2.1, "2001:db8::1"]
            advertise: [198.51.100.1, 198.51.100.2:4501, "[2001:db8::2]:4502"]
            keepalive: 2m
            containers:
              mapping: off
              bridges: [docker0, br-edge]
              prefixes:
                - {prefix: 10.22.0.0/16, bridge: br-edge}
                - bridge: br-six
                  prefix: "fd00:22::/64"
            forwarding: {dockerUser: off}
            stun: {serve: members, servers: [203.0.113.5, "[2001:db8::5]:3479"]}
            portMapping: off
            portSearch: off
            relay: {enabled: false, maxRate: 20Mbit/s, maxRatePerPeer: 500kbit/s}
            relayNodes:
              - nodeName: hub-2
                advertiseAddress: [203.0.113.9]
              - nodeName: hub-3
            stream: {port: 8443, proxy: "http://user:p%40ss@proxy.example:8080", sni: www.example.org}
            services:
              directory: /srv/services
              docker: off
              containerd: /run/k3s/containerd.sock
              answerPing: true
              edgeMeshLabel: filterIfAbsent
            dns:
              enabled: false
              listen: [169.254.20.10]
              clusterDomain: edge.example
              meshDomain: hosts.example
              upstreams: [192.0.2.53]
              routes: [{domain: corp.example, servers: [10.1.1.53, 10.1.2.53:5353]}]
            certificate: {lifetime: 30d, renewBefore: 36h}
            stateDirectory: /srv/mesh
            controlSocket: {path: /run/m.sock, group: adm}
            logging: {level: debug, format: json}
            limits: {peers: 64, circuits: 0, tentativeSessions: 16, streams: 8}
            """)
        var expected = Configuration(nodeName: try #require(NodeName("hub-1.example")))
        expected.interface = "mesh7"
        expected.mtu = .bytes(1280)
        expected.ipv4Range = try #require(IPPrefix("10.64.0.0/12"))
        expected.listen.port = 4500
        expected.listen.addresses = [try #require(IPAddress("192.0.2.1")), try #require(IPAddress("2001:db8::1"))]
        expected.advertise = [
            .init(address: try #require(IPAddress("198.51.100.1")), port: nil),
            .init(address: try #require(IPAddress("198.51.100.2")), port: 4501),
            .init(address: try #require(IPAddress("2001:db8::2")), port: 4502),
        ]
        expected.keepalive = .seconds(120)
        expected.containers.mapping = .off
        expected.containers.bridges = ["docker0", "br-edge"]
        expected.containers.prefixes = [
            .init(prefix: try #require(IPPrefix("10.22.0.0/16")), bridge: "br-edge"),
            .init(prefix: try #require(IPPrefix("fd00:22::/64")), bridge: "br-six"),
        ]
        expected.forwarding.dockerUser = .off
        expected.stun.serve = .members
        expected.stun.servers = [
            .init(address: try #require(IPAddress("203.0.113.5")), port: nil),
            .init(address: try #require(IPAddress("2001:db8::5")), port: 3479),
        ]
        expected.portMapping = .off
        expected.portSearch = .off
        expected.relay.enabled = false
        expected.relay.maxRate = .bitsPerSecond(20_000_000)
        expected.relay.maxRatePerPeer = .bitsPerSecond(500_000)
        expected.relayNodes = [
            .init(
                nodeName: try #require(NodeName("hub-2")),
                advertiseAddress: [.init(address: try #require(IPAddress("203.0.113.9")), port: nil)]),
            .init(nodeName: try #require(NodeName("hub-3")), advertiseAddress: []),
        ]
        expected.stream.port = 8443
        expected.stream.proxy = .through(
            HTTPProxy(host: "proxy.example", port: 8080, credentials: "user:p@ss"))
        expected.stream.sni = "www.example.org"
        expected.services.directory = "/srv/services"
        expected.services.docker = nil
        expected.services.containerd = "/run/k3s/containerd.sock"
        expected.services.answerPing = true
        expected.services.edgeMeshLabel = .filterIfAbsent
        expected.dns.enabled = false
        expected.dns.listen = [.v4(IPv4Address(169, 254, 20, 10))]
        expected.dns.clusterDomain = try #require(NodeName("edge.example"))
        expected.dns.meshDomain = try #require(NodeName("hosts.example"))
        expected.dns.upstreams = [.init(address: .v4(IPv4Address(192, 0, 2, 53)), port: nil)]
        let corporate =
            [(IPv4Address(10, 1, 1, 53), nil), (IPv4Address(10, 1, 2, 53), 5353)] as [(IPv4Address, UInt16?)]
        expected.dns.routes = [
            .init(
                domain: try #require(NodeName("corp.example")),
                servers: corporate.map { .init(address: .v4($0), port: $1) })
        ]
        expected.certificate.lifetime = .seconds(30 * 86_400)
        expected.certificate.renewBefore = .seconds(36 * 3600)
        expected.stateDirectory = "/srv/mesh"
        expected.controlSocket.path = "/run/m.sock"
        expected.controlSocket.group = "adm"
        expected.logging.level = .debug
        expected.logging.format = .json
        expected.limits.peers = 64
        expected.limits.circuits = 0
        expected.limits.tentativeSessions = 16
        expected.limits.streams = 8
        #expect(configuration == expected)
        let changed = Configuration.changes(from: defaults, to: expected).map(\.key)
        #expect(changed == Setting.all.map(\.path), "the example sets every key to something else than its default")
    }

    @Test func `all problems of a file are told at once, where they stand`() {
        let error = #expect(throws: ConfigurationError.self) {
            try read(
                """
                intreface: mesh1
                listen:
                  port: "20007"
                  port: 99999
                  prot: 1
                mtu: 900
                relay:
                  enabled: yes
                containers:
                  prefixes:
                    - {prefix: 10.22.0.1/16, bridge: br-edge}
                    - {prefix: 10.23.0.0/16}
                banana: 1
                keepalive: 25
                limits: 5
                """)
        }
        #expect(
            error?.description == """
                config.yaml:1:1: intreface: unknown key; did you mean interface?
                config.yaml:3:9: listen.port: expected a whole number from 1 to 65535, found the text "20007"
                config.yaml:4:3: listen.port: set a second time; the first is in line 3
                config.yaml:5:3: listen.prot: unknown key; did you mean port?
                config.yaml:6:6: mtu: expected auto or a whole number from 1280 to 9000, found 900
                config.yaml:8:12: relay.enabled: expected true or false, found yes
                config.yaml:11:16: containers.prefixes[0].prefix: expected an address prefix, as 172.17.0.0/16, found 10.22.0.1/16
                config.yaml:12:7: containers.prefixes[1].bridge: missing
                config.yaml:13:1: banana: unknown key; here stand node, interface, mtu, ipv4Range, listen, advertise, \
                keepalive, containers, forwarding, stun, portMapping, portSearch, relay, relayNodes, stream, services, \
                dns, certificate, stateDirectory, controlSocket, logging, limits
                config.yaml:14:12: keepalive: expected a time from 5s to 2m, as 30s, 5m, 12h or 90d, found 25
                config.yaml:15:9: limits: expected keys with values (peers, circuits, tentativeSessions, streams), found 5
                """)
    }

    @Test(arguments: [
        ("listen: {port: 0}", "listen.port"), ("listen: {port: 65536}", "listen.port"),
        ("listen: {port: -1}", "listen.port"),
        ("listen: {port: +1}", "listen.port"), ("listen: {port: 1_0}", "listen.port"),
        ("listen: {port: }", "listen.port"),
        ("listen: {port: [1]}", "listen.port"), ("listen: {port: 99999999999999999999}", "listen.port"),
        ("interface: abcdefghijklmnop", "interface"), ("interface: a/b", "interface"), ("interface: ..", "interface"),
        ("interface: \"\"", "interface"), ("ipv4Range: fd00::/9", "ipv4Range"), ("ipv4Range: 10.0.0.0/16", "ipv4Range"),
        ("ipv4Range: 10.1.0.0/9", "ipv4Range"), ("node: {name: A_b}", "node.name"), ("mtu: 9001", "mtu"),
        ("mtu: \"1400\"", "mtu"), ("keepalive: 4s", "keepalive"), ("keepalive: -5s", "keepalive"),
        ("keepalive: 99999999999999999d", "keepalive"), ("stateDirectory: relative", "stateDirectory"),
        ("controlSocket: {group: \"a b\"}", "controlSocket.group"), ("logging: {level: loud}", "logging.level"),
        ("advertise: 192.0.2.1", "advertise"), ("advertise: [192.0.2.1:0]", "advertise[0]"),
        ("advertise: [a.example]", "advertise[0]"), ("listen: {addresses: [192.0.2]}", "listen.addresses[0]"),
        ("relayNodes: [hub-1]", "relayNodes[0]"), ("relayNodes: [{advertiseAddress: []}]", "relayNodes[0].nodeName"),
        ("services: {directory: services.d}", "services.directory"),
        ("services: {edgeMeshLabel: both}", "services.edgeMeshLabel"),
        ("dns: {listen: [localhost]}", "dns.listen[0]"),
        ("dns: {routes: [{domain: a.example}]}", "dns.routes[0].servers"),
        ("stream: {port: 65536}", "stream.port"), ("stream: {proxy: proxy.example}", "stream.proxy"),
        ("stream: {proxy: \"https://proxy.example\"}", "stream.proxy"), ("stream: {sni: 192.0.2.1}", "stream.sni"),
        ("certificate: {lifetime: 30d}", "certificate.renewBefore"), ("[1, 2]", ""), ("text", ""),
        ("? [a]\n: 1", ""), ("a: *b", ""), ("listen: {port: 1", ""),
    ])
    func `a value out of its bounds is refused with its key`(_ text: String, _ key: String) {
        let error = #expect(throws: ConfigurationError.self) { try read(text) }
        #expect(error?.problems.map(\.key) == [key], "\(error?.description ?? "")")
    }

    @Test func `a path that does not fit a socket address is refused`() {
        let fits = "/" + String(repeating: "a", count: 106)
        #expect(throws: Never.self) { try read("controlSocket: {path: \(fits)}") }
        #expect(throws: ConfigurationError.self) { try read("controlSocket: {path: \(fits)a}") }
    }

    @Test func `mutated files never crash the reader`() {
        let sample = Array(Configuration.reference.replacing("#", with: "").utf8)
        for seed in 0..<300 as Range<UInt64> {
            var random = SeededRandom(seed: seed)
            var bytes = Array(sample.prefix(Int.random(in: 0...sample.count, using: &random)))
            for _ in 0..<4 where !bytes.isEmpty {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            _ = try? Configuration(parsing: bytes, file: "f", nodeName: .example)
        }
    }

    private func read(_ text: String) throws(ConfigurationError) -> Configuration {
        try Configuration(parsing: Array(text.utf8), file: "config.yaml", nodeName: .example)
    }
}
