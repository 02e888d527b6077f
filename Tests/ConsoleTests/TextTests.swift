import ControlAPI
import Testing
import Wire

@testable import Console

/// Whole outputs from fixed replies.
@Suite struct TextTests {
    let plain = Style(hasColor: false)
    let now = Timestamp(secondsSince1970: 1_800_000_000)

    private func prefix(_ text: String) throws -> IPPrefix { try #require(IPPrefix(text)) }
    private func address(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }
    private func endpoint(_ text: String) throws -> Endpoint { try #require(Endpoint(text)) }

    private func fullStatus() throws -> Status {
        var status = Status(
            state: .degraded(reasons: [Notice("no relay is reachable", nextStep: "open UDP port 20007")]),
            nodeName: "edge-1", uptime: .seconds(93))
        status.meshID = "8a1f"
        status.nodeID = "77c0"
        status.addresses = [try address("10.130.7.1"), try address("fd12::1")]
        status.prefixes = [try prefix("10.130.7.0/24")]
        status.interface = "mesh0"
        status.mtuBytes = 1408
        status.listening = [try endpoint("0.0.0.0:20007")]
        status.certificateExpiry = Timestamp(secondsSince1970: 1_800_090_000)
        status.peerCount = 3
        status.connectedPeerCount = 2
        status.mappings = [
            .init(local: try prefix("172.17.0.0/24"), mesh: try prefix("10.130.7.0/24"), network: "docker0"),
            .init(local: try prefix("10.88.0.0/16"), mesh: try prefix("10.88.0.0/16"), network: "cni0"),
        ]
        var mapped = Status.PortMapping(
            local: try endpoint("192.168.1.10:20007"), gateway: try #require(IPAddress("192.168.1.1")))
        var refused = mapped
        mapped.external = try endpoint("100.64.0.9:20007")
        mapped.method = "UPnP"
        mapped.remaining = .seconds(7100)
        mapped.isBehindAnotherNAT = true
        refused.problem = "PCP: the gateway does not allow it"
        status.portMappings = [mapped, refused]
        status.warnings = [Notice("the clock is 90 s ahead")]
        status.counters = [Status.Counter("packetsSent", 1_234_567), Status.Counter("handshakes", 4)]
        status.drops = [Status.Counter("source not certified", 3)]
        return status
    }

    @Test func `a network check says what it means`() throws {
        var ipv4 = Netcheck.Family(version: 4, udp: "works", kind: "NAT3 (port-restricted cone)")
        ipv4.outside = [try address("198.51.100.7")]
        ipv4.meaning = ["The NAT shows everybody the same address and port."]
        let check = Netcheck(
            families: [
                ipv4, Netcheck.Family(version: 6, udp: "untested", kind: "not checked: this host has no address"),
            ],
            candidates: [
                .init(endpoint: try endpoint("198.51.100.7:20007"), kind: "reflexive", standing: "refuted"),
                .init(endpoint: try endpoint("192.168.1.2:20007"), kind: "private", standing: "untested"),
            ], relays: [.init(name: "gateway", roundTripTime: .microseconds(12_345), isConnected: true)],
            isReachable: false, isReachableLocally: true, duration: .milliseconds(2345))
        #expect(
            NetcheckText(style: plain).lines(check).joined(separator: "\n") == """
                IPv4: NAT3 (port-restricted cone), seen as 198.51.100.7
                  The NAT shows everybody the same address and port.
                IPv6: not checked: this host has no address

                Reached by others: on its own network only; this node can relay there
                  ADDRESS             KNOWN BY         STRANGERS
                  198.51.100.7:20007  what others see  do not get in
                  192.168.1.2:20007   an interface     not tried

                Relays:
                  NAME         RTT  STATE
                  gateway  12.3 ms  connected

                checked in 2345 ms
                """)
    }

    @Test func `status shows everything that is known`() throws {
        #expect(
            StatusText(style: plain, now: now).lines(try fullStatus(), withCounters: true).joined(separator: "\n")
                == """
                edge-1 is up, with faults
                  ! no relay is reachable
                    next: open UDP port 20007
                  warning: the clock is 90 s ahead

                  mesh          8a1f
                  node          77c0
                  peers         2 of 3 connected
                  addresses     10.130.7.1
                                fd12::1
                  prefixes      10.130.7.0/24
                  containers    172.17.0.0/24 on docker0, seen by others as 10.130.7.0/24
                                10.88.0.0/16 on cni0
                  interface     mesh0, MTU 1408
                  listening     UDP 0.0.0.0:20007
                  port mapping  100.64.0.9:20007 by UPnP from 192.168.1.1, which is behind another NAT, for 1 h 58 min
                                192.168.1.10:20007 not mapped: PCP: the gateway does not allow it
                  certificate   until 2027-01-16 09:00 UTC (in 1 d 1 h)
                  running for   1 min 33 s

                Counted:
                  packetsSent  1 234 567
                  handshakes           4

                Dropped packets:
                  source not certified  3
                """)
    }

    @Test func `status of a host that is down is one line`() {
        let status = Status(state: .down, nodeName: "edge-1", uptime: .seconds(5))
        #expect(StatusText(style: plain, now: now).lines(status) == ["edge-1 is down"])
    }

    @Test func `the state has a colour on a terminal`() {
        let status = Status(state: .ready, nodeName: "a", uptime: .zero)
        let line = StatusText(style: Style(hasColor: true), now: now).lines(status)[0]
        #expect(line == "\u{1b}[1ma\u{1b}[0m is \u{1b}[32mready\u{1b}[0m")
    }

    @Test func `peers stand in a table`() throws {
        var direct = Peer(name: "gateway", nodeID: "1", kind: .node)
        direct.prefixes = [try prefix("10.130.1.0/24"), try prefix("fd12:1::/64")]
        direct.path = .direct
        direct.endpoint = try endpoint("198.18.1.2:20007")
        direct.roundTripTime = .microseconds(12_345)
        direct.sinceHandshake = .seconds(31)
        direct.pathAge = .seconds(200)
        direct.lossPercent = 2
        direct.standby = .relay(via: "hub-2")
        direct.receivedBytes = 3 << 20
        direct.sentBytes = 99
        var relayed = Peer(name: "edge-2", nodeID: "2", kind: .node)
        relayed.path = .relay(via: "gateway")
        let phone = Peer(name: "phone", nodeID: "3", kind: .client)
        #expect(
            PeersText(style: plain).lines([direct, relayed, phone]).joined(separator: "\n") == """
                NAME            PATH              SINCE  ENDPOINT              RTT  LOSS  STANDBY    HANDSHAKE  RECEIVED  SENT  PREFIXES
                gateway         direct       3 min 20 s  198.18.1.2:20007  12.3 ms   2 %  via hub-2   31 s ago   3.0 MiB  99 B  10.130.1.0/24, fd12:1::/64
                edge-2          via gateway           -  -                       -     -  -                  -       0 B   0 B
                phone (client)  none                  -  -                       -     -  -                  -       0 B   0 B
                """)
    }

    @Test func `nobody there is said in words`() {
        #expect(PeersText(style: plain).lines([Peer]())[0].contains("meshctl invite"))
        #expect(PeersText(style: plain).lines([AdmittedClient]())[0].contains("wireguard add"))
    }

    @Test func `a ping shows the path and who did not answer`() throws {
        let text = PingText(style: plain)
        var pong = Pong(sequence: 1, node: "edge-2", path: .relay(via: "gateway"))
        pong.address = try address("10.130.7.1")
        pong.endpoint = try endpoint("198.18.1.2:20007")
        pong.roundTripTime = .microseconds(8_210)
        #expect(text.line(pong) == "1: edge-2 (10.130.7.1) 8.21 ms, via gateway 198.18.1.2:20007")
        #expect(text.line(Pong(sequence: 2, node: "edge-2", path: .none)) == "2: edge-2 no answer, no path")
        let times: [Duration] = [.microseconds(400), .microseconds(900), .milliseconds(2)]
        let summary = PingSummary(sent: 3, received: 2, minimum: times[0], mean: times[1], maximum: times[2])
        #expect(
            text.line(summary) == "3 sent, 2 answered, 33 % lost; least, mean, most: 0.40 ms / 0.90 ms / 2.00 ms")
        #expect(text.line(PingSummary(sent: 0, received: 0)) == "0 sent, 0 answered, 0 % lost")
    }

    @Test func `an invitation names its limits and the command to run`() throws {
        let invitation = Invitation(
            token: "km1-abc", uses: 2, expiry: Timestamp(secondsSince1970: 1_800_003_600), namePattern: "edge-*",
            mayRelay: false, prefixPool: try prefix("10.130.0.0/16"))
        let lines = InvitationText(style: plain, now: now).lines(invitation)
        #expect(lines.contains("  sudo meshctl up km1-abc"))
        #expect(
            lines.contains(
                "It lets 2 nodes join until 2027-01-15 09:00 UTC (in 1 h), named edge-*, with prefixes of 10.130.0.0/16, "
                    + "not as relays."))
    }
}
