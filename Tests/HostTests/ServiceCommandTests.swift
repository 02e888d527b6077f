import ControlAPI
import Lab
import Testing
import Wire

/// Services that are added by command at one host, as the others see them.
@Suite(.serialized, .enabled(if: Requirement.isMet, needsRoot))
struct ServiceCommandTests {
    @Test func `a service added at one host is listed, explained, named and reached at another, and outlives a crash`()
        throws
    {
        try Lab.withMesh { _, trio in
            let server = trio.sites[0]
            let client = trio.sites[1]
            _ = try server.containers[0].serveHTTP("this is \(server.name)")
            let added = try ServiceAddition(
                server.node.meshctl(
                    "--json", "service", "add", "web.shop", "--port", "80=http", "--endpoint",
                    "\(server.containers[0].address)"))
            #expect(!added.isReplaced && added.notices == [] && added.service.problems == [])
            let address = try #require(added.service.clusterIPs.first)

            try waitForServices(["web"], at: client)
            #expect(try client.containers[0].fetch(address) == "this is \(server.name)\n")
            try wait(for: "names at \(client.name)", within: .seconds(5)) { () throws(LabError) in
                try client.node.status().services?.names?.listening.isEmpty == false
            }
            let name = "web.shop.svc.cluster.local"
            let answer = try NameAnswer(client.node.meshctl("--json", "dns", "lookup", name))
            #expect(answer.origin == "zone" && answer.answers.map(\.data) == ["\(address)"])
            for target in ["web.shop", "web:http", "\(address):80/tcp"] {
                let why = try Explanation(client.node.meshctl("--json", "why", target))
                #expect(why.verdict == "connections go to 1 of 1 endpoint, on \(server.name)", "\(why)")
                #expect(!why.steps.contains { $0.outcome == .failed })
            }
            let reached = try server.node.meshAddress(of: server.containers[0])
            let endpoints = try EndpointList(client.node.meshctl("--json", "endpoints", "web.shop")).endpoints
            #expect(endpoints.map(\.reachedAt) == [reached] && endpoints.flatMap(\.ports).map(\.sharePercent) == [100])
            #expect(
                try Explanation(client.node.meshctl("--json", "why", "\(reached)")).verdict
                    == "an endpoint, of web.shop")
            #expect(try client.node.status().services?.serviceCount == 1)

            let refused = try client.node.result(of: "service", "rm", "web.shop")
            #expect(refused.status == 1)
            #expect(refused.errors.contains("run meshctl service rm web.shop on \(server.name)"), "\(refused.errors)")

            try server.node.crash()
            try server.node.up()
            #expect(
                try ServiceList(server.node.meshctl("--json", "service", "list")).services.map(\.clusterIPs) == [
                    [address]
                ])
            let removal = try ServiceRemoval(server.node.meshctl("--json", "service", "rm", "web.shop"))
            #expect(removal.remaining == [])
            try waitForServices([], at: client)
            let free = try Explanation(client.node.meshctl("--json", "why", "\(address):80"))
            #expect(free.verdict.hasPrefix("no service has \(address)"))
        }
    }

    @Test func `a port 53 that another program has costs names alone, and status says who has it`() throws {
        try Lab.withLoneHost { _, site in
            let squatter = try site.host.start("nc", "-u", "-k", "-l", "0.0.0.0", "53", log: "squatter")
            defer { squatter.stop() }
            try wait(for: "a program at UDP port 53", within: .seconds(5)) { () throws(LabError) in
                try !site.host.run("ss", "--no-header", "--listening", "--udp", "sport", "=", "53").isEmpty
            }
            try site.node.up()
            try wait(for: "the name of who has port 53", within: .seconds(5)) { () throws(LabError) in
                let problems = try site.node.status().services?.names?.problems ?? []
                return problems.contains { $0.text.contains("is held by nc (process \(squatter.pid))") }
            }
            #expect(try site.node.status().state == .ready)
            _ = try site.containers[0].serveHTTP("served")
            let added = try ServiceAddition(
                site.node.meshctl(
                    "--json", "service", "add", "web", "--port", "80", "-e", "\(site.containers[0].address)"))
            let address = try #require(added.service.clusterIPs.first)
            #expect(try site.host.fetch(address) == "served\n")
            let why = try Explanation(site.node.meshctl("--json", "why", "web"))
            #expect(why.steps.first?.outcome == .failed && why.verdict.hasPrefix("names are not answered on this node"))
        }
    }

    private func waitForServices(_ names: [String], at site: Site) throws {
        try wait(for: "the services \(names) at \(site.name)", within: .seconds(10)) { () throws(LabError) in
            let text = try site.node.meshctl("--json", "services")
            return (try? ServiceList(text))?.services.map(\.name) == names  // What cannot be read is not there yet.
        }
    }
}

extension JSONRepresentable {
    /// From what `meshctl --json` prints.
    fileprivate init(_ text: String) throws { try self.init(parsing: Array(text.utf8)) }
}
