import ControlAPI
import Lab
import Testing
import Wire

/// Services without any cluster: manifests on some hosts, used from containers and hosts everywhere.
@Suite(.serialized, .enabled(if: Requirement.isMet, needsRoot))
struct ServiceTests {
    private static let server = "169.254.96.16"
    private static let name = "web.default.svc.cluster.local"

    @Test func `two hosts with one Docker subnet serve one service, by address and by name, on every host`() throws {
        try Lab.withMesh { _, trio in
            try expose(on: [trio.alpha, trio.beta])
            for site in trio.sites {
                for client in [site.containers[1], site.host] as [any Place] {
                    let address = try resolve(Self.name, on: client)
                    try expectAnswers(["alpha", "beta"], at: address, from: client)
                }
            }
        }
    }

    @Test func `nodes and containers have names, and addresses have theirs`() throws {
        try Lab.withMesh { _, trio in
            let own = try #require(try trio.alpha.node.status().addresses.first)
            for site in trio.sites {
                for client in site.containers + [site.host] as [any Place] {
                    #expect(try resolve("alpha.mesh.internal", on: client) == own)
                    #expect(try ask("-x", "\(own)", on: client) == ["alpha.mesh.internal."])
                }
            }
        }
    }

    @Test func `a service that loses its manifest is refused at once, and one that changes is followed`() throws {
        try Lab.withMesh { _, trio in
            try expose(on: [trio.alpha, trio.beta])
            let client = trio.gamma.containers[0]
            let address = try resolve(Self.name, on: client)
            try expectAnswers(["alpha", "beta"], at: address, from: client)
            try trio.beta.host.run("rm", "/etc/kubemesh/services.d/web.yaml")
            try expectAnswers(["alpha"], at: address, from: client)
            // Refused, with the last good form in force.
            try trio.alpha.host.shell("echo 'kind: Service' >/etc/kubemesh/services.d/web.yaml")
            try expectAnswers(["alpha"], at: address, from: client)
            try trio.alpha.host.run("rm", "/etc/kubemesh/services.d/web.yaml")
            try wait(for: "the end of the service", within: .seconds(5)) { () throws(LabError) in
                let answer = try client.result(of: "curl", "-sS", "--max-time", "2", "http://\(address)/")
                let addresses = try ask(Self.name, on: client)
                return !answer.succeeded && addresses.isEmpty
            }
        }
    }

    @Test func `what others do to the tables is put right within a second`() throws {
        try Lab.withMesh { _, trio in
            try expose(on: [trio.alpha])
            let client = trio.gamma.containers[0]
            let address = try resolve(Self.name, on: client)
            try expectAnswers(["alpha"], at: address, from: client)
            try trio.gamma.host.run("nft", "flush", "ruleset")
            // A connection begun before the tables are back stays lost: none is waited for long.
            try wait(for: "the tables", within: .seconds(1)) { () throws(LabError) in
                try client.result(of: "curl", "-sS", "--max-time", "0.2", "http://\(address)/").succeeded
            }
        }
    }

    @Test func `a host that boots cut off serves what it knew, by address and by name, within two seconds`() throws {
        try Lab.withMesh { _, trio in
            try expose(on: [trio.alpha, trio.gamma])
            let client = trio.gamma.containers[1]
            let address = try resolve(Self.name, on: client)
            try expectAnswers(["alpha", "gamma"], at: address, from: client)
            try trio.gamma.node.crash()
            try trio.gamma.host.run("nft", "flush", "ruleset")
            try trio.gamma.host.uplink.takeDown()
            _ = try trio.gamma.node.result(of: "up", "--timeout", "1")
            try wait(for: "names", within: .seconds(2)) { () throws(LabError) in
                try ask(Self.name, on: client) == ["\(address)"]
            }
            try wait(for: "the endpoint on this host", within: .seconds(10)) { () throws(LabError) in
                try client.result(of: "curl", "-sS", "--max-time", "1", "http://\(address)/").output == "gamma\n"
            }
        }
    }

    // MARK: steps

    /// Puts a web server behind a service on each site, in its first container, by a manifest on each host.
    private func expose(on sites: [Site]) throws {
        for site in sites {
            _ = try site.containers[0].serveHTTP(site.name)
            try site.host.run("mkdir", "-p", "/etc/kubemesh/services.d")
            try site.host.shell(
                """
                cat >/etc/kubemesh/services.d/.new <<'END'
                apiVersion: v1
                kind: Service
                metadata: {name: web}
                spec:
                  ports: [{name: http, port: 80}]
                ---
                apiVersion: discovery.k8s.io/v1
                kind: EndpointSlice
                metadata:
                  name: web-\(site.name)
                  labels: {kubernetes.io/service-name: web}
                addressType: IPv4
                ports: [{name: http, port: 80}]
                endpoints:
                - addresses: [\(site.containers[0].address)]
                  nodeName: \(site.name)
                END
                mv /etc/kubemesh/services.d/.new /etc/kubemesh/services.d/web.yaml
                """)
        }
    }

    /// The address of a name, as soon as it has one.
    private func resolve(_ name: String, on client: any Place) throws(LabError) -> IPAddress {
        var found: IPAddress?
        try wait(for: "an address of \(name) on \(client.label)", within: .seconds(10)) { () throws(LabError) in
            found = try ask(name, on: client).first.flatMap { IPAddress($0) }
            return found != nil
        }
        guard let found else { throw .unexpected("\(name) has no address on \(client.label)") }
        return found
    }

    /// The answers to a question, as dig prints them.
    private func ask(_ question: String..., on client: any Place) throws(LabError) -> [String] {
        let words = question.joined(separator: " ")
        let answer = try client.result(
            of: "sh", "-c", "dig +short +time=1 +tries=2 @\(Self.server) \(words)")
        return answer.succeeded ? answer.output.split(separator: "\n").map(String.init) : []
    }

    /// Waits until these and no others answer, each of them.
    private func expectAnswers(_ names: Set<String>, at address: IPAddress, from client: any Place) throws {
        var last: [String] = []
        do {
            try wait(for: "answers of \(names.sorted()) at \(address)", within: .seconds(10)) { () throws(LabError) in
                last = []
                for _ in 0..<16 {
                    let answer = try client.result(of: "curl", "-sS", "--max-time", "2", "http://\(address)/")
                    last.append(answer.succeeded ? String(answer.output.dropLast()) : answer.errors)
                }
                return Set(last) == names
            }
        } catch {
            throw LabError.unexpected("\(client.label): \(error); the last were \(last)")
        }
    }
}
