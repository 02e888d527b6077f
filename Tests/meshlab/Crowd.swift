import ControlAPI
import Glibc
import Lab
import Wire

/// Many nodes behind the one address of a symmetric NAT, all talking at once through one relay to a node behind another.
enum Crowd {
    static let count = 64
    static let trials = [Trial(name: "crowd") { try measure(in: $0, files: $1, into: &$2) }]
    private static let pingCount = 20

    private static func measure(in lab: Lab, files: String, into findings: inout Trial.Findings) throws {
        let relay = try node("relay", on: lab.core, in: lab, files: files)
        try relay.host.shell(
            "mkdir -p /etc/kubemesh; echo 'advertise: [\"\(relay.host.uplink.address)\"]' >/etc/kubemesh/config.yaml")
        try relay.up()
        let token = try relay.invite(uses: count + 1)
        let far = try node("far", on: lab.router("far-gw", .symmetric, hasIPv6: false).lan, in: lab, files: files)
        try far.up(token)
        guard let target = try far.status().addresses.first(where: \.isIPv4) else {
            throw LabError.unexpected("far has no address")
        }
        let lan = try lab.router("crowd-gw", .symmetric, hasIPv6: false).lan
        let members = try (1...count).map { try node("n\($0)", on: lan, in: lab, files: files) }
        for member in members { try member.up(token) }

        let pings = try members.map {
            try $0.host.start(
                "ping", "-n", "-i", "0.5", "-c", "\(pingCount)", "-W", "2", "\(target)", log: "crowd-ping")
        }
        try wait(for: "the end of the pings", within: .seconds(60)) { pings.allSatisfy { !$0.isRunning } }
        let firstAnswers = pings.compactMap { ping -> Double? in
            guard let answer = ping.log.firstMatch(of: #/icmp_seq=(\d+) .*time=([\d.]+)/#),
                let number = Double(answer.1),
                let time = Double(answer.2)
            else { return nil }
            return (number - 1) * 500 + time
        }
        let answered = pings.map { $0.log.matches(of: #/icmp_seq=/#).count }
        findings.figures["talking"] = Double(firstAnswers.count)
        findings.figures["first"] = firstAnswers.max()
        findings.figures["lost-percent"] =
            100 - 100 * Double(answered.reduce(0, +)) / Double(Crowd.count * pingCount)
        let paths = try far.peers().filter { $0.name.hasPrefix("n") }.map(\.path)
        findings.figures["relayed"] = Double(paths.count { $0 == .relay(via: "relay") })
        findings.figures["relay-memory"] = try memory(of: relay)
    }

    private static func node(_ label: String, on segment: any Segment, in lab: Lab, files: String) throws(LabError)
        -> MeshNode
    {
        try MeshNode(on: lab.host(label, on: segment), files: files)
    }

    /// The resident set in MiB.
    private static func memory(of node: MeshNode) throws(LabError) -> Double? {
        let status = Files.text(of: "/proc/\(try node.processID())/status") ?? ""
        return status.firstMatch(of: #/VmRSS:\s+(\d+)/#).flatMap { Double($0.1) }.map { $0 / 1024 }
    }
}
