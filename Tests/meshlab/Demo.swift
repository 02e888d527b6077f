import ControlAPI
import Lab
import Wire

/// The main job, shown step by step: containers on three hosts, two of them behind NATs, talk to each other.
final class Demo {
    struct Options {
        var usesDocker = DockerEngine.obstacle == nil
        var keepsUp = false
    }

    private let run: Run
    /// A folder with what belongs into each host's root: the unpacked package.
    private let files: String
    private let options: Options
    private let screen = Screen()
    private var sites: [Site] = []

    init(run: Run, files: String, options: Options) {
        self.run = run
        self.files = files
        self.options = options
    }

    /// Runs the demo and returns the exit code.
    func perform() -> Int32 {
        do {
            let before = try Footprint.now(of: run)
            let lab = try Lab(run)
            do {
                try show(in: lab)
                if options.keepsUp {
                    try run.keep()
                    screen.hints(for: sites)
                    return 0
                }
            } catch {
                screen.logs(of: sites)
                lab.takeDown()
                throw error
            }
            screen.step("Taking everything down")
            lab.takeDown()
            let left = try Footprint.now(of: run).differences(from: before)
            screen.say(left.isEmpty ? "The machine is as it was before." : left.joined(separator: "\n"))
            return left.isEmpty ? 0 : 1
        } catch LabError.interrupted {
            screen.say("\nInterrupted: everything has been taken down again.")
            return 130
        } catch {
            screen.say("\nThe demo failed: \(error)")
            return 1
        }
    }

    private func show(in lab: Lab) throws {
        try makeHosts(in: lab)
        try joinMesh()
        try showFirstPackets()
        try showTraffic()
        try showStatus()
        try showThroughput()
    }

    // MARK: steps

    private func makeHosts(in lab: Lab) throws {
        let engine = options.usesDocker ? "Docker daemons of their own" : "plain namespaces behind a bridge"
        screen.step("Three hosts, their containers all on 172.17.0.0/16 (\(engine))")
        screen.say(Screen.picture)
        for (name, site) in [("alpha", nil), ("beta", "home"), ("gamma", "office")] {
            let segment: any Segment =
                if let site { try lab.router(site, .portRestricted, hasIPv6: false).lan } else { lab.core }
            let host = try lab.host(name, on: segment)
            var containers: [Container] = []
            if options.usesDocker {
                let engine = try lab.docker(on: host)
                containers = try ["c1", "c2"].map { try engine.container($0) }
            } else {
                let bridge = try ContainerBridge(on: host)
                containers = try ["c1", "c2"].map { try bridge.container($0) }
            }
            sites.append(Site(node: try MeshNode(on: host, files: files), containers: containers))
            let addresses = containers.map { "\($0.address)" }.joined(separator: " and ")
            screen.say("  \(name): \(host.uplink.address), containers at \(addresses)")
        }
    }

    private func joinMesh() throws {
        screen.step("A mesh of them: 'meshctl up' on the first, 'meshctl up TOKEN' on the others")
        let first = try sites[0].node.up()
        guard let token = first.token?.token else { throw LabError.unexpected("meshctl up printed no token") }
        screen.say("  alpha# meshctl up\n    \(first.status.addresses.map(\.description).joined(separator: ", "))")
        screen.say("    token: \(token.prefix(40))... (\(token.utf8.count) characters)")
        for site in sites.dropFirst() {
            let started = ContinuousClock.now
            let result = try site.node.up(token)
            let took = Screen.milliseconds(ContinuousClock.now - started)
            let addresses = result.status.addresses.map(\.description).joined(separator: ", ")
            screen.say("  \(site.name)# meshctl up \(token.prefix(8))...\n    \(addresses), ready after \(took)")
        }
    }

    private func showFirstPackets() throws {
        screen.step("First packets: how long until a container is answered, nothing sent between the two before")
        for (one, other) in pairs {
            let address = try other.address()
            let time = try one.containers[0].timeToFirstAnswer(from: address)
            screen.row("  \(one.name)/c1 -> \(other.name)/c1 at \(address)", "\(Screen.figure(time)) ms")
        }
    }

    private func showTraffic() throws {
        screen.step("Containers ping and curl each other by mesh address")
        for site in sites {
            for container in site.containers { _ = try container.serveHTTP("hello from \(container.label)") }
        }
        for (one, other) in pairs {
            let container = other.containers[1]
            let address = try other.node.meshAddress(of: container)
            let times = try one.containers[1].roundTrips(to: address)
            guard times.count == 10 else {
                throw LabError.unexpected("\(10 - times.count) of 10 pings from \(one.name) to \(address) were lost")
            }
            let page = try one.containers[1].fetch(address).split(separator: "\n").first ?? ""
            guard page == "hello from \(container.label)" else {
                throw LabError.unexpected("curl \(address) on \(one.name) printed '\(page)'")
            }
            screen.row(
                "  \(one.name)/c2# curl http://\(address)/",
                "\"\(page)\", RTT \(Screen.figure(times[times.count / 2])) ms")
        }
    }

    private func showStatus() throws {
        screen.step("What a node says of itself and of its peers")
        for command in ["status", "peers"] {
            screen.say("  beta# meshctl \(command)")
            screen.quote(try sites[1].node.meshctl(command))
        }
    }

    private func showThroughput() throws {
        screen.step("Throughput: one TCP flow, beta to alpha, 3 s each")
        let (alpha, beta) = (sites[0], sites[1])
        let bare = try beta.node.host.throughput(to: alpha.node.host.uplink.address, of: alpha.node.host)
        let address = try alpha.node.meshAddress(of: alpha.containers[0])
        let mesh = try beta.containers[0].throughput(to: address, of: alpha.containers[0])
        screen.row("  host to host, the bare link", "\(Screen.figure(bare)) Mbit/s")
        screen.row(
            "  container to container, through the mesh",
            "\(Screen.figure(mesh)) Mbit/s (\(Screen.figure(mesh / bare * 100)) %)")
        screen.say("  Both ends, the routers and the encryption share this machine's processors.")
    }

    /// Every ordered pair of two different sites.
    private var pairs: [(Site, Site)] {
        sites.flatMap { one in sites.filter { $0.name != one.name }.map { (one, $0) } }
    }
}
