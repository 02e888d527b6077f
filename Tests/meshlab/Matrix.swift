import ControlAPI
import Lab

/// How two nodes come together, by what is between them and the internet: every pair of NATs, and the harder cases.
enum Matrix {
    /// One pair and what is promised of it.
    struct Row {
        let name: String
        let left: String
        let right: String
        let layout: Duo.Layout
        /// Whether a direct path is to be found; else what is measured is that the relay carries on.
        let isDirectExpected: Bool

        /// A symmetric NAT and a port-restricted one.
        var isSearched: Bool { ["nat3-nat4", "nat4-nat3"].contains(name) }
    }

    static let nats: [(name: String, kind: Router.Kind)] = [
        ("NAT1", .fullCone), ("NAT2", .addressRestricted), ("NAT3", .portRestricted), ("NAT4", .symmetric),
    ]

    static let natPairs: [Row] = nats.flatMap { left in
        nats.map { right in
            Row(
                name: "\(left.name)-\(right.name)".lowercased(), left: left.name, right: right.name,
                layout: .apart(Access(left.kind), Access(right.kind)),
                isDirectExpected: left.kind != .symmetric || right.kind != .symmetric)
        }
    }

    static let others: [Row] = [
        row("home-home", "home router", "home router", Access(.masquerade), Access(.masquerade)),
        row("block-nat3", "NAT4, block of 2048", "NAT3", Access(.symmetricBlock), Access(.portRestricted)),
        row("sequence-nat3", "NAT4, sequential", "NAT3", Access(.symmetricSequential), Access(.portRestricted)),
        row(
            "sequence-sequence", "NAT4, sequential", "NAT4, sequential", Access(.symmetricSequential),
            Access(.symmetricSequential)),
        row(
            "double-nat3", "NAT3 behind NAT3", "NAT3", Access(.portRestricted, .portRestricted),
            Access(.portRestricted)),
        row(
            "cgnat-nat3", "NAT3 behind a carrier's NAT1", "NAT3", Access(.fullCone, .portRestricted),
            Access(.portRestricted)),
        row(
            "cgnat-cgnat", "NAT3 behind a carrier's NAT2", "the same of another carrier",
            Access(.addressRestricted, .portRestricted), Access(.addressRestricted, .portRestricted)),
        Row(
            name: "one-lan", left: "NAT4", right: "the same LAN", layout: .oneLAN(Access(.symmetric)),
            isDirectExpected: true),
        Row(
            name: "hairpin", left: "NAT3 that hairpins", right: "another LAN of it",
            layout: .twoLANs(.portRestricted, hairpins: true), isDirectExpected: true),
        Row(
            name: "no-hairpin", left: "NAT3 without hairpins", right: "another LAN of it",
            layout: .twoLANs(.portRestricted, hairpins: false), isDirectExpected: false),
        Row(
            name: "carrier-hairpin", left: "NAT3 behind a carrier's NAT1 that hairpins", right: "the same carrier",
            layout: .oneCarrier(carrier: .fullCone, home: .portRestricted, hairpins: true), isDirectExpected: true),
        row("firewall-nat3", "firewall", "NAT3", Access(.firewall), Access(.portRestricted)),
        row("firewall-nat4", "firewall", "NAT4", Access(.firewall), Access(.symmetric)),
        row("firewall-firewall", "firewall", "firewall", Access(.firewall), Access(.firewall)),
        row("public-nat4", "public", "NAT4", Access(), Access(.symmetric)),
        row(
            "dual-dual", "NAT4, IPv6 firewall", "NAT4, IPv6 firewall", Access(.symmetric, hasIPv6: true),
            Access(.symmetric, hasIPv6: true)),
        row(
            "six-dual", "IPv6 alone, firewall", "NAT4, IPv6 firewall",
            Access(.symmetric, hasIPv4: false, hasIPv6: true), Access(.symmetric, hasIPv6: true)),
        row(
            "six-four", "IPv6 alone, firewall", "NAT3 without IPv6",
            Access(.symmetric, hasIPv4: false, hasIPv6: true), Access(.portRestricted), isDirectExpected: false),
        row(
            "https-nat3", "only TCP 443 gets out", "NAT3", Access(.portRestricted, onlyTCPPort: 443),
            Access(.portRestricted), isDirectExpected: false),
    ]

    static let rows = natPairs + others
    static let trials = rows.map { row in Trial(name: row.name) { try measure(row, in: $0, files: $1, into: &$2) } }

    private static let timeForDirect: Duration = .seconds(15)
    private static let timeForRelay: Duration = .seconds(8)

    private static func row(
        _ name: String, _ left: String, _ right: String, _ one: Access, _ other: Access, isDirectExpected: Bool = true
    ) -> Row {
        Row(name: name, left: left, right: right, layout: .apart(one, other), isDirectExpected: isDirectExpected)
    }

    /// Probes flow from the moment that both have joined, so that the first of them finds no session between the two.
    static func measure(_ row: Row, in lab: Lab, files: String, into findings: inout Trial.Findings) throws {
        // Two public nodes: what a NAT does with a second destination takes a second destination to find out.
        let duo = try Duo(in: lab, files: files, row.layout, relayDelays: [Duo.delay, Duo.delay])
        try duo.join()
        let meter = try duo.meter()
        let isDirect = try duo.waitForPath(within: row.isDirectExpected ? timeForDirect : timeForRelay) {
            $0 == .direct
        }
        try Meter.pause(.seconds(1))
        let path = try duo.path()
        let recording = try meter.stop()
        findings.note("first", recording.timeToFirstAnswer())
        if isDirect {
            findings.note("direct", recording.timeToFirstProbe(fasterThan: Duo.fasterThanRelayed))
        }
        findings.words["path"] = path.described
        // From the first answer on nothing is to be lost, whatever way the packets take by then.
        let begin = recording.timeToFirstAnswer().map { recording.begin + $0 + .milliseconds(100) }
        let end = recording.lastSent - .milliseconds(300)
        if let begin, begin < end {
            let window = begin..<end
            for (name, kind) in [("lost", Recording.Count.lost), ("late", .overtaken), ("twice", .duplicated)] {
                findings.figures[name] = Double(recording.count(kind, in: window))
            }
            findings.note("stall", recording.longestOwnStall(in: window))
        }
    }
}

extension Path {
    var described: String {
        switch self {
        case .direct: "direct"
        case .stream: "TLS stream"
        case .relay(let name): "by \(name)"
        case .none: "none"
        }
    }
}
