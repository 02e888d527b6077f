import ControlAPI
import Lab
import Testing
import Wire

/// Where UDP is blocked: the left host's router lets nothing out but one TCP port.
@Suite(.serialized, .enabled(if: Requirement.isMet, needsRoot))
struct StreamTests {
    @Test func `a host whose network lets out only TCP 443 joins, and its flows live on when UDP opens`() throws {
        try withStrictSite(open: 443) { _, duo in
            try duo.join()
            try wait(for: "streams to both relays", within: .seconds(20)) { () throws(LabError) in
                try duo.paths(to: duo.relays.map(\.name)) == [.stream, .stream]
            }
            #expect(try duo.left.node.status().state == .ready)
            #expect(try duo.left.node.meshctl("peers").contains("tls"))
            // The right host is behind another NAT: a relay carries what the stream brings.
            #expect(try duo.left.host.canPing(try duo.right.address()))
            let meter = try duo.meter(streamBytes: 200)
            try meter.waitForAnswers(100)
            try duo.left.routers[0].allowUDP()
            try wait(for: "UDP to a relay", within: .seconds(60)) { () throws(LabError) in
                try duo.paths(to: duo.relays.map(\.name)).contains(.direct)
            }
            try meter.waitForAnswers(100)
            try meter.waitForStream()
            _ = try meter.stop()
            try wait(for: "the streams' end", within: .seconds(60)) { () throws(LabError) in
                try !duo.left.host.run("ss", "-Htn", "state", "established", "dport", "=", ":443").contains(":443")
            }
        }
    }

    @Test func `when the relay of a stream dies, the stream to another one takes over`() throws {
        try withStrictSite(open: 443) { _, duo in
            try duo.join()
            try wait(for: "streams to both relays", within: .seconds(20)) { () throws(LabError) in
                try duo.paths(to: duo.relays.map(\.name)) == [.stream, .stream]
            }
            let meter = try duo.meter(streamBytes: 200)
            try meter.waitForAnswers(200)
            guard case .relay(let name) = try duo.path(), let used = duo.relays.first(where: { $0.name == name }) else {
                Issue.record("not relayed: \(try duo.path())")
                return
            }
            try used.node.vanish(process: try used.node.processID())
            try meter.waitForAnswers(200, within: .seconds(10))
            try meter.waitForStream()
            _ = try meter.stop()
        }
    }

    @Test func `a proxy is asked by name, says what it wants, and carries streams once it gets it`() throws {
        try withStrictSite(open: 8888) { lab, duo in
            let proxy = try lab.host("proxy", on: lab.core)
            try proxy.shell(
                """
                printf 'Port 8888\\nConnectPort 443\\nBasicAuth user password\\nAllow 0.0.0.0/0\\n' >/etc/proxy.conf
                """)
            _ = try proxy.start("tinyproxy", "-d", "-c", "/etc/proxy.conf", log: "proxy")
            let left = duo.left.host
            try left.shell(
                """
                echo '\(proxy.uplink.address) proxy.example' >>/etc/hosts
                mkdir -p /etc/kubemesh
                echo 'stream: {proxy: "http://proxy.example:8888"}' >/etc/kubemesh/config.yaml
                """)
            let token = try #require(try duo.relays[0].node.up().token?.token)
            try duo.right.node.up(token)
            _ = try duo.left.node.result(of: "up", token)
            try wait(for: "the proxy's refusal in the status", within: .seconds(20)) { () throws(LabError) in
                try duo.left.node.status().warnings.contains { $0.text.contains("407") }
            }
            try left.shell("sed -i 's,http://,http://user:password@,' /etc/kubemesh/config.yaml")
            try duo.left.node.meshctl("reload")
            try wait(for: "a stream through the proxy", within: .seconds(60)) { () throws(LabError) in
                try duo.paths(to: [duo.relays[0].name]) == [.stream]
            }
            // It has joined this moment, and is only now told who else there is.
            try wait(for: "an answer of the other host", within: .seconds(5)) { () throws(LabError) in
                try left.canPing(try duo.right.address(), within: 1)
            }
        }
    }

    @Test func `to a stranger the port is a web server of nobody's, and a taken port is said`() throws {
        try Lab.withPublicNodes("alpha", "beta") { _, nodes in
            let (alpha, beta) = (nodes[0], nodes[1])
            _ = try beta.host.start("socat", "TCP-LISTEN:443,fork", "EXEC:true", log: "ingress")
            let token = try #require(try alpha.up().token?.token)
            try beta.up(token)
            try wait(for: "a warning of the taken port", within: .seconds(10)) { () throws(LabError) in
                try beta.status().warnings.contains { $0.text.contains("TCP port 443") }
            }
            #expect(try !alpha.status().warnings.contains { $0.text.contains("TCP") })
            let address = "\(alpha.host.uplink.address):443"
            let script = "openssl s_client -connect \(address) -servername www.example.org"
            let session = try beta.host.result(of: "sh", "-c", "\(script) </dev/null 2>&1")
            #expect(session.output.contains("TLSv1.3"))
            #expect(session.output.contains("self-signed certificate"))
            #expect(!session.output.contains("alpha") && !session.output.contains("kubemesh"))
            let older = try beta.host.result(of: "sh", "-c", "\(script) -tls1_2 </dev/null 2>&1")
            #expect(older.status != 0)
            let web = try beta.host.result(of: "curl", "--insecure", "--silent", "https://\(address)/")
            #expect(web.status != 0 && web.output.isEmpty)
            let counters = try alpha.status().counters.filter { $0.name.hasPrefix("streams") && $0.count > 0 }
            #expect(counters.map(\.name).contains("streams closed: no datagrams"))
        }
    }
}

/// Two sites and two relays with KubeMesh, not yet in a mesh; the left router lets out one TCP port and nothing else.
private func withStrictSite(open port: UInt16, _ body: (Lab, Duo) throws -> Void) throws {
    try Lab.withSites(.apart(Access(.masquerade), Access(.symmetric)), relays: 2) { lab, duo in
        try duo.left.routers[0].blockUDP(andTCPExcept: port)
        try body(lab, duo)
    }
}

extension Duo {
    /// The paths by which the left host reaches these nodes.
    fileprivate func paths(to names: [String]) throws(LabError) -> [Path] {
        let peers = try left.node.peers()
        return names.map { name in peers.first { $0.name == name }?.path ?? .none }
    }
}
