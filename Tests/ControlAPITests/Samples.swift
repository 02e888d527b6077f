import ControlAPI
import Wire

/// One of every message, with every optional part once present and once absent.
enum Samples {
    static let prefix = prefix("10.130.7.0/24")
    static let expiry = Timestamp(secondsSince1970: 1_800_000_000)

    static func prefix(_ text: String) -> IPPrefix {
        guard let prefix = IPPrefix(text) else { preconditionFailure("\(text) is no prefix") }
        return prefix
    }

    static func address(_ text: String) -> IPAddress {
        guard let address = IPAddress(text) else { preconditionFailure("\(text) is no address") }
        return address
    }

    static func endpoint(_ text: String) -> Endpoint {
        guard let endpoint = Endpoint(text) else { preconditionFailure("\(text) is no endpoint") }
        return endpoint
    }

    static let requests: [Request] = [
        .up(Request.Up()), .up(Request.Up(token: "km1-abc", name: "edge-1", advertise: [prefix, prefix("fd00::/48")])),
        .down, .status, .peers, .ping(target: "edge-2", count: 5), .trace(target: "edge-2"), .netcheck,
        .why(from: nil, to: "edge-2"), .why(from: "edge-3", to: "edge-2"), .relay(.drain), .relay(.status),
        .invite(Request.Invite()),
        .invite(
            Request.Invite(uses: 20, lifetimeSeconds: 3600, namePattern: "edge-*", mayRelay: false, prefixPool: prefix)),
        .wireguardAdd(name: "phone", endpoint: nil), .wireguardAdd(name: "phone", endpoint: "vpn.example.org:20007"),
        .wireguardList, .wireguardRemove(name: "phone"), .reload, .version,
        .services(namespace: nil), .services(namespace: "shop"), .endpoints(service: nil),
        .endpoints(service: "web.shop"), .serviceAdd(ServiceDefinition(name: "web")),
        .serviceAdd(ServiceSamples.definition), .serviceRemove(name: "web.shop"), .serviceList,
        .serviceShow(name: "web.shop"), .nameLookup(ServiceSamples.question), .nameLookup(NameQuestion("web")),
        .nameCache(clear: true), .nameCache(clear: false),
    ]

    static let fullStatus: Status = {
        var status = Status(
            state: .degraded(reasons: [
                Notice("no relay is reachable", nextStep: "open UDP port 20007"), Notice("wait"),
            ]),
            nodeName: "edge-1", uptime: .milliseconds(93_250))
        status.meshID = "8a1f"
        status.nodeID = "77c0"
        status.addresses = [address("10.130.7.1"), address("fd12:3456::1")]
        status.prefixes = [prefix, prefix("fd12:3456::/64")]
        status.interface = "mesh0"
        status.mtuBytes = 1408
        status.listening = [endpoint("0.0.0.0:20007"), endpoint("[::]:20007")]
        status.certificateExpiry = expiry
        status.peerCount = 3
        status.connectedPeerCount = 2
        status.mappings = [
            Status.ContainerMapping(local: prefix("172.17.0.0/24"), mesh: prefix, network: "docker0")
        ]
        var mapped = Status.PortMapping(local: endpoint("192.168.1.10:20007"), gateway: address("192.168.1.1"))
        mapped.external = endpoint("203.0.113.5:20007")
        mapped.method = "PCP"
        mapped.remaining = .seconds(7100)
        var refused = Status.PortMapping(local: endpoint("[2001:db8::10]:20007"), gateway: address("fe80::1"))
        refused.problem = "PCP: the gateway does not allow it"
        status.portMappings = [mapped, refused]
        status.services = ServiceSamples.status
        status.warnings = [Notice("the clock is 90 s ahead", nextStep: "start an NTP client")]
        status.counters = [Status.Counter("packetsSent", 12), Status.Counter("packetsReceived", 9_000_000_000)]
        status.drops = [Status.Counter("source not certified", 3)]
        return status
    }()

    static let fullPeer: Peer = {
        var peer = Peer(name: "edge-2", nodeID: "99aa", kind: .node)
        peer.prefixes = [prefix]
        peer.path = .relay(via: "gateway")
        peer.endpoint = endpoint("198.18.1.2:20007")
        peer.roundTripTime = .microseconds(12_345)
        peer.lossPercent = 5
        peer.pathReason = "first path that answered"
        peer.standby = .stream
        peer.sinceHandshake = .seconds(31)
        peer.pathAge = .seconds(7200)
        peer.receivedBytes = 1 << 40
        peer.sentBytes = 7
        peer.certificateExpiry = expiry
        return peer
    }()

    static let invitation = Invitation(
        token: "km1-abc", uses: 5, expiry: expiry, namePattern: "edge-*", mayRelay: true, prefixPool: prefix)

    static let client = WireGuardClient(
        name: "phone", addresses: [prefix("10.130.7.200/32"), prefix("fd12:3456::c8/128")],
        privateKey: "cHJpdmF0ZQ==", publicKey: "cHVibGlj", presharedKey: "cHNr", nodePublicKey: "bm9kZQ==",
        endpoint: "[2001:db8::1]:20007", allowedIPs: [prefix("10.128.0.0/9"), prefix("fd12:3456::/48")], mtuBytes: 1408)

    static let netcheck: Netcheck = {
        var ipv4 = Netcheck.Family(version: 4, udp: "works", kind: "NAT4 (symmetric)")
        ipv4.outside = [address("198.51.100.7")]
        ipv4.mapping = "endpointDependent"
        ipv4.filtering = "addressAndPortDependent"
        ipv4.hairpin = false
        ipv4.ports = Netcheck.Ports(pattern: "sequential", stride: -2, lowest: 1024, highest: 1032, samples: 5)
        ipv4.lifetimeAtLeast = .seconds(30)
        ipv4.lifetimeBelow = .seconds(60)
        ipv4.unknown = [Netcheck.Unknown(finding: "lifetime", reason: "it takes minutes")]
        ipv4.meaning = ["A NAT is there."]
        var block = ipv4
        block.ports = Netcheck.Ports(pattern: "block", blockSize: 512, lowest: 1024, highest: 1400, samples: 5)
        var netcheck = Netcheck(
            families: [ipv4, block, Netcheck.Family(version: 6, udp: "untested", kind: "not checked")],
            candidates: [.init(endpoint: endpoint("198.51.100.7:20007"), kind: "reflexive", standing: "refuted")],
            relays: [
                .init(name: "gateway", roundTripTime: .microseconds(12_345), isConnected: true),
                .init(name: "far", roundTripTime: nil, isConnected: false),
            ], isReachable: false, isReachableLocally: true, duration: .milliseconds(2345))
        netcheck.warnings = [Notice("not everything was found out in time", nextStep: "ask again in a minute")]
        return netcheck
    }()

    static let pong: Pong = {
        var pong = Pong(sequence: 2, node: "edge-2", path: .direct)
        pong.address = address("10.130.7.1")
        pong.endpoint = endpoint("198.18.1.2:20007")
        pong.roundTripTime = .microseconds(421)
        return pong
    }()

    static let relayStatus: RelayStatus = {
        var status = RelayStatus(state: .unable, reason: "nobody reaches it", circuits: 2, circuitLimit: 4096)
        status.bytes = 1 << 33
        status.droppedPackets = 7
        status.members = [.init(name: "edge-2", circuits: 2, bytes: 12, droppedPackets: 0)]
        status.refusals = [.init("target unreachable", 3)]
        return status
    }()

    static let explanation = Explanation(
        from: "edge-1", to: "edge-2", verdict: "relayed through gateway",
        steps: [
            .init("certificate", .good, ["valid"]), .init("direct", .failed, ["a", "b"]), .init("relay", .doubtful, []),
        ],
        nextStep: "forward UDP port 20007")

    static let replies: [Reply] = [
        .trace(
            Trace(
                target: "edge-2",
                hops: [
                    .init(.origin, "edge-1"),
                    .init(.relay, "gateway", endpoint: endpoint("198.18.1.2:20007"), roundTripTime: .milliseconds(3)),
                    .init(.node, "edge-2"),
                ])),
        .explanation(explanation), .explanation(Explanation(from: "a", to: "b", verdict: "direct", steps: [])),
        .relayStatus(relayStatus), .relayStatus(RelayStatus(state: .on)),
        .up(UpResult(action: .created, token: invitation, status: fullStatus)),
        .up(UpResult(action: .unchanged, status: Status(state: .ready, nodeName: "a", uptime: .zero))),
        .status(fullStatus), .status(Status(state: .down, nodeName: "a", uptime: .zero)),
        .status(Status(state: .starting(missing: [Notice("waiting for a peer")]), nodeName: "a", uptime: .seconds(1))),
        .status(Status(state: .refused(reasons: [Notice("the name is taken")]), nodeName: "a", uptime: .seconds(1))),
        .peers([]), .peers([fullPeer, Peer(name: "phone", nodeID: "01", kind: .client)]),
        .pong(pong), .pong(Pong(sequence: 1, node: "edge-2", path: .none)),
        .pingSummary(
            PingSummary(
                sent: 5, received: 4, minimum: .microseconds(400), mean: .microseconds(421), maximum: .milliseconds(2))),
        .pingSummary(PingSummary(sent: 5, received: 0)), .netcheck(netcheck),
        .netcheck(
            Netcheck(
                families: [], candidates: [], relays: [], isReachable: true, isReachableLocally: false, duration: .zero)
        ),
        .invitation(invitation), .invitation(Invitation(token: "t", uses: 1, expiry: expiry, mayRelay: false)),
        .wireguardClient(client), .wireguardClients([]),
        .wireguardClients([
            AdmittedClient(name: "phone", publicKey: "cHVibGlj", addresses: [prefix]),
            AdmittedClient(
                name: "router", publicKey: "cg==", addresses: [], endpoint: endpoint("192.0.2.9:1"),
                sinceHandshake: .seconds(3), receivedBytes: 1, sentBytes: 2),
        ]),
        .services(ServiceList()),
        .services(ServiceList([ServiceSamples.service, ServiceSamples.bareService], total: 7)),
        .endpoints(EndpointList()), .endpoints(EndpointList([ServiceSamples.endpoint], total: 12)),
        .service(ServiceDetail(ServiceSamples.service, EndpointList([ServiceSamples.endpoint], total: 12))),
        .serviceAdded(
            ServiceAddition(ServiceSamples.service, isReplaced: true, notices: [Notice("told", nextStep: "do")])),
        .serviceAdded(ServiceAddition(ServiceSamples.bareService, isReplaced: false)),
        .serviceRemoved(ServiceRemoval(namespace: "shop", name: "web", remaining: [ServiceSamples.source])),
        .serviceRemoved(ServiceRemoval(namespace: "shop", name: "web")),
        .nameAnswer(ServiceSamples.answer),
        .nameAnswer(NameAnswer(NameQuestion("web"), code: "SERVFAIL", origin: "upstream", duration: .zero)),
        .nameCache(NameCache()), .nameCache(ServiceSamples.cache),
        .reloaded(ReloadResult(applied: ["logLevel"], needRestart: ["interface"])), .reloaded(ReloadResult()),
        .version(DaemonVersion(version: "0.1.0", processID: 4711)), .done,
        .failure(Failure(.usage, "no node is called edge-9", nextStep: "see 'meshctl peers'")),
        .failure(Failure(.failed, "the disk is full")),
    ]
}
