import Glibc
import Netfilter
import Testing

@Suite(.enabled(if: isRoot, needsRoot)) struct ForwardAcceptTests {
    private static let dockerChains = """
        *filter
        :FORWARD DROP [0:0]
        :DOCKER-USER - [0:0]
        -A FORWARD -j DOCKER-USER
        -A DOCKER-USER -s 192.0.2.0/24 -j DROP
        -A DOCKER-USER -j RETURN
        COMMIT

        """

    private static let ours = [
        "-A DOCKER-USER -i mesh0 -m comment --comment kubemesh -j ACCEPT",
        "-A DOCKER-USER -o mesh0 -m comment --comment kubemesh -j ACCEPT",
    ]

    private func ensure(_ host: Namespace) throws -> [ForwardAccept.State] {
        try host.perform {
            var socket = try RuleSocket()
            let states = try ForwardAccept(interface: "mesh0").ensure(by: &socket)
            return [states.ipv4, states.ipv6]
        }
    }

    private func remove(_ host: Namespace) throws -> Bool {
        try host.perform {
            var socket = try RuleSocket()
            return try ForwardAccept.remove(by: &socket)
        }
    }

    /// The rules of DOCKER-USER as iptables lists them.
    private func listed(_ host: Namespace, _ program: String = "iptables") throws -> [String] {
        try host.run(program, "-S", "DOCKER-USER").split(separator: "\n").dropFirst().map(String.init)
    }

    @Test(arguments: ["iptables", "ip6tables"])
    func `rules stand at the top as iptables writes them, once, and go without a trace`(_ program: String) throws {
        let host = try Namespace("h")
        let chains = Self.dockerChains.replacing(
            "192.0.2.0/24", with: program == "iptables" ? "192.0.2.0/24" : "fd00::/8")
        try host.run("\(program)-restore", input: chains)
        let before = try host.run("nft", "-a", "list", "ruleset")
        let beforeByIptables = try savedRules(host, by: program)
        let isIPv4 = program == "iptables"
        #expect(try ensure(host) == (isIPv4 ? [.inserted, .noChain] : [.noChain, .inserted]))
        #expect(try ensure(host) == (isIPv4 ? [.inPlace, .noChain] : [.noChain, .inPlace]))
        let rules = try listed(host, program)
        #expect(Array(rules.prefix(2)) == Self.ours)
        #expect(rules.count == 4)
        #expect(try host.run("\(program)-save", "-c").contains("[0:0] \(Self.ours[0])"))
        #expect(try remove(host))
        #expect(try remove(host) == false)
        #expect(try host.run("nft", "-a", "list", "ruleset") == before)
        #expect(try savedRules(host, by: program) == beforeByIptables)
    }

    /// What iptables would save, without its comments, which hold the time.
    private func savedRules(_ host: borrowing Namespace, by program: String) throws -> [Substring] {
        try host.run("\(program)-save").split(separator: "\n").filter { !$0.hasPrefix("#") }
    }

    @Test func `rules of the administrator that look alike stay`() throws {
        let host = try Namespace("h")
        try host.run("iptables-restore", input: Self.dockerChains)
        try host.run("iptables", "-I", "DOCKER-USER", "-i", "mesh0", "-j", "ACCEPT")
        let before = try listed(host)
        #expect(try ensure(host).first == .inserted)
        #expect(try remove(host))
        #expect(try listed(host) == before)
    }

    @Test func `rules that iptables saved and restored are still ours`() throws {
        let host = try Namespace("h")
        try host.run("iptables-restore", input: Self.dockerChains)
        let before = try listed(host)
        _ = try ensure(host)
        let saved = try host.run("iptables-save")
        try host.run("iptables", "-F")
        try host.run("iptables-restore", input: saved)
        #expect(try ensure(host).first == .inPlace)
        #expect(Array(try listed(host).prefix(2)) == Self.ours)
        #expect(try remove(host))
        #expect(try listed(host) == before)
    }

    @Test func `without the chain nothing is made`() throws {
        let host = try Namespace("h")
        #expect(try ensure(host) == [.noChain, .noChain])
        #expect(try remove(host) == false)
        #expect(try host.run("nft", "list", "ruleset").isEmpty)
    }

    @Test func `Docker's start, and its making the chain anew, are noticed at once`() throws {
        let host = try Namespace("h")
        let chains = Self.dockerChains
        try host.perform {
            var socket = try RuleSocket()
            let events = try RuleEvents(ignoring: socket)
            let accept = ForwardAccept(interface: "mesh0")
            #expect(try events.read().isEmpty)
            for _ in 0..<2 {
                try host.run("iptables-restore", input: chains)
                var waiting = pollfd(fd: events.fileDescriptor, events: Int16(POLLIN), revents: 0)
                #expect(unsafe poll(&waiting, 1, 1000) == 1)
                #expect(try events.read().contains(.forwarding))
                #expect(try accept.ensure(by: &socket).ipv4 == .inserted)
                // What we did ourselves is no news.
                #expect(try events.read().isEmpty)
            }
        }
    }

    @Test func `somebody's flush of all rules is noticed, our own changes are not`() throws {
        let host = try Namespace("h")
        let rules = try fullRules()
        try host.perform {
            var socket = try RuleSocket()
            let events = try RuleEvents(ignoring: socket)
            try socket.apply(rules)
            try socket.apply(rules)
            #expect(try events.read().isEmpty)
            try host.run("nft", "add table inet theirs; add chain inet theirs c")
            #expect(try events.read().isEmpty)
            try host.run("nft", "flush", "ruleset")
            #expect(try events.read() == .ownTable)
            try socket.apply(rules)
        }
        #expect(try host.run("nft", "list", "ruleset") == RuleSocketTests.expected)
    }
}
