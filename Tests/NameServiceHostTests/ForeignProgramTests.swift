import DNS
import Glibc
import Lab
import NameService
import Testing
import Wire

/// Programs of others ask our server, and judge what it says.
@Suite(.serialized, .enabled(if: Requirement.isMet, "\(Requirement.reason)"))
struct ForeignProgramTests {
    private static let web = "s1.ns1.svc.cluster.local"

    @Test func `dig is content with answers of all kinds`() throws {
        let zone = try ServedZone()
        defer { zone.server.stop() }
        #expect(try zone.dig("+short", Self.web, "A") == "10.96.0.1\n")
        #expect(try zone.dig("+short", Self.web, "AAAA") == "fd00::1\n")
        #expect(try zone.dig("+short", "+tcp", Self.web, "A") == "10.96.0.1\n")
        #expect(try zone.dig("+short", "-x", "10.96.0.1") == Self.web + ".\n")
        #expect(try zone.dig("+short", "_http._tcp.\(Self.web)", "SRV") == "0 100 80 \(Self.web).\n")
        #expect(try zone.dig("+short", "dns-version.cluster.local", "TXT") == "\"1.1.0\"\n")
        #expect(try zone.dig("+short", "s7.ns1.svc.cluster.local", "A").hasSuffix("10.96.0.4\n"))
        let all = try zone.dig("+norecurse", Self.web, "A")
        #expect(all.contains("flags: qr aa;") && all.contains("udp: 1232"), "\(all)")
        // That .local belongs to multicast DNS is all that it has to say.
        #expect(all.split(separator: "\n").allSatisfy { !$0.contains("WARNING") || $0.contains(".local") })
        // With options that we do not know, and with a cookie.
        #expect(try zone.dig("+short", "+nsid", "+cookie", "+subnet=192.0.2.0/24", Self.web) == "10.96.0.1\n")
        #expect(try zone.dig("+noedns", "+short", Self.web) == "10.96.0.1\n")
        #expect(try zone.dig("wEb.NONE.svc.CLUSTER.local").contains("wEb.NONE.svc.CLUSTER.local.\tIN\tA"))
    }

    @Test func `dig sees every refusal as what it is`() throws {
        let zone = try ServedZone()
        defer { zone.server.stop() }
        #expect(try zone.status("none.\(Self.web)") == "NXDOMAIN")
        #expect(try zone.status("www.example.com") == "REFUSED")
        #expect(try zone.status("-c", "CH", "version.bind", "TXT") == "REFUSED")
        #expect(try zone.status("+opcode=notify", Self.web) == "NOTIMP")
        #expect(try zone.status("+edns=7", "+noednsnegotiation", Self.web) == "BADVERS")
        #expect(try zone.status("+header-only") == "FORMERR")
        #expect(try zone.status("cluster.local", "AXFR").contains("Transfer failed"))
        #expect(try zone.dig(Self.web, "ANY", "+short", "+notcp").contains("RFC8482"))
        let denial = try zone.dig("none.\(Self.web)")
        #expect(
            denial.contains(
                "cluster.local.\t\t5\tIN\tSOA\tns.dns.cluster.local. hostmaster.cluster.local. 3 7200 1800 86400 5"))
    }

    @Test func `kdig and drill read the same, also several queries on one connection`() throws {
        let zone = try ServedZone()
        defer { zone.server.stop() }
        let server = ["@127.0.0.1", "-p", "\(zone.port)"]
        #expect(try Command(["kdig"] + server + ["+short", Self.web, "A"]).run() == "10.96.0.1\n")
        let several = ["+short", "+tcp", "+keepopen", Self.web, "A", Self.web, "AAAA", "none.cluster.local", "A"]
        #expect(try Command(["kdig"] + server + several).run().contains("fd00::1"))
        let drill = try Command(["drill", "-p", "\(zone.port)", Self.web, "@127.0.0.1", "A"]).run()
        #expect(drill.contains("rcode: NOERROR") && drill.contains("10.96.0.1"))
        let srv = try Command(["drill", "-p", "\(zone.port)", "_http._tcp.\(Self.web)", "@127.0.0.1", "SRV"]).run()
        #expect(srv.contains("ADDITIONAL: 2") || srv.contains("ADDITIONAL: 3"))
    }

    @Test func `unbound with the same zone gives the same answers to every name and type`() throws {
        let zone = try ServedZone()
        defer { zone.server.stop() }
        let unbound = try Unbound(zones: zone.lines)
        defer { unbound.stop() }
        let questions = zone.names.flatMap { name in
            ["A", "AAAA", "SRV", "PTR", "TXT", "MX", "CNAME"].map { "\(name) \($0)" }
        }
        let ours = try Digest.ask(questions, port: zone.port)
        let theirs = try Digest.ask(questions, port: unbound.port)
        #expect(ours.count == questions.count && theirs.count == questions.count)
        var differences: [String] = []
        for (question, (own, other)) in zip(questions, zip(ours, theirs)) where own != other {
            // unbound's local data does not follow aliases; its answer is the alias, and ours begins with it.
            if own.answers.isSuperset(of: other.answers), other.answers.contains(where: { $0.contains("CNAME") }) {
                continue
            }
            // In our reverse zones a name between addresses and the apex is never denied.
            if question.hasPrefix("1.96.10.in-addr.arpa"), own.status == "NOERROR", own.answers.isEmpty { continue }
            differences.append("\(question): \(own) against \(other)")
        }
        #expect(differences == [])
    }

    @Test func `unbound resolves through us with mixed case, and we through it`() throws {
        let zone = try ServedZone()
        defer { zone.server.stop() }
        let unbound = try Unbound(stub: "cluster.local", port: zone.port)
        defer { unbound.stop() }
        let server = ["@127.0.0.1", "-p", "\(unbound.port)", "+short"]
        #expect(try Command(["dig"] + server + [Self.web, "A"]).run() == "10.96.0.1\n")
        let other = try ServedZone(upstream: Endpoint(.v4(IPv4Address(127, 0, 0, 1)), port: unbound.port))
        defer { other.server.stop() }
        #expect(try other.dig("+short", "host.unbound.test", "A") == "192.0.2.77\n")
        #expect(try other.dig("+short", "HOST.unbound.test", "A") == "192.0.2.77\n")
        #expect(other.server.status.counters.cached == 1)
        let many = try other.dig("+short", "many.unbound.test", "A").split(separator: "\n")
        #expect(many.count == 150)
    }

    @Test func `dnsperf loses nothing`() throws {
        let zone = try ServedZone()
        defer { zone.server.stop() }
        let path = "/tmp/kubemesh-dns-\(getpid()).queries"
        try Files.write(zone.names.map { "\($0) A\n" }.joined(), to: path)
        defer { _ = unsafe unlink(path) }
        for mode in ["udp", "tcp"] {
            let report = try Command(
                ["dnsperf", "-s", "127.0.0.1", "-p", "\(zone.port)", "-d", path, "-l", "2", "-q", "100", "-m", mode]
            ).run(within: .seconds(60))
            #expect(report.contains("Queries lost:         0 (0.00%)"), "\(report)")
            let rate = report.split(separator: "\n").first { $0.contains("Queries per second") } ?? ""
            print("dnsperf over \(mode), debug build:\(rate)")
        }
    }
}
