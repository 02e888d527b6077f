import Glibc
import Lab
import Wire

/// Debian's nebula under the same faults in the same lab, with its own defaults: what the figures are compared with.
///
/// Two lighthouses that relay stand where the mesh has its relays.
struct Nebula {
    static let trials: [Trial] = [
        Trial(name: "nebula-relay-killed") { lab, files, findings in
            let nebula = try Nebula(behind: Access(.symmetric), in: lab, files: files)
            try nebula.disturb(into: &findings) { () throws(LabError) in
                let carrier = try nebula.carrier(in: lab)
                try nebula.duo.relays[carrier].node.host.fallSilent()
                nebula.programs[carrier].stop(with: SIGKILL)
            }
        },
        Trial(name: "nebula-direct-cut") { lab, files, findings in
            let nebula = try Nebula(behind: Access(.portRestricted), in: lab, files: files)
            try nebula.disturb(into: &findings) { () throws(LabError) in
                try lab.core.cut(nebula.duo.left.uplink, from: nebula.duo.right.uplink)
            }
        },
    ]

    private let duo: Duo
    /// The relays' first, then those of the two sides.
    private let programs: [Program]

    /// Both are behind such a NAT; nebula itself finds no way through two symmetric ones.
    private init(behind access: Access, in lab: Lab, files: String) throws {
        let obstacle = Result { try Command(["nebula", "-version"]).run() }
        if case .failure = obstacle { throw Trial.Skip(reason: "nebula is not installed (package nebula)") }
        let duo = try Duo(in: lab, files: files, .apart(access, access), relayDelays: [Duo.delay, Duo.delay])
        let folder = "\(lab.run.folder)/nebula"
        try Files.makeFolder(folder)
        func sign(_ arguments: String...) throws(LabError) {
            try Command(["env", "-C", folder, "nebula-cert"] + arguments).run()
        }
        try sign("ca", "-name", "lab")
        let hosts = duo.relays.map(\.node.host) + [duo.left.host, duo.right.host]
        let relays = duo.relays.indices.map { Self.address(of: $0) }
        let places = zip(relays, duo.relays).map { "'\($0)': ['\($1.uplink.address):4242']" }
        var programs: [Program] = []
        for (index, host) in hosts.enumerated() {
            try sign("sign", "-name", host.label, "-ip", "\(Self.address(of: index))/24")
            let isRelay = index < relays.count
            let path = "\(folder)/\(host.label).yml"
            try Files.write(
                """
                pki: {ca: \(folder)/ca.crt, cert: \(folder)/\(host.label).crt, key: \(folder)/\(host.label).key}
                static_host_map: {\(places.joined(separator: ", "))}
                lighthouse: {am_lighthouse: \(isRelay), hosts: [\(isRelay ? "" : relays.map { "'\($0)'" }.joined(separator: ", "))]}
                relay: {am_relay: \(isRelay), use_relays: true, relays: [\(isRelay ? "" : relays.map { "'\($0)'" }.joined(separator: ", "))]}
                listen: {host: 0.0.0.0, port: 4242}
                punchy: {punch: true, respond: true}
                tun: {dev: nebula0}
                firewall:
                  outbound: [{port: any, proto: any, host: any}]
                  inbound: [{port: any, proto: any, host: any}]

                """, to: path)
            programs.append(try host.start("nebula", "-config", path, log: "nebula"))
        }
        self.duo = duo
        self.programs = programs
    }

    private static func address(of index: Int) -> String { "10.99.0.\(index + 1)" }

    /// The same steps as of the mesh's own trials.
    private func disturb(into findings: inout Trial.Findings, by fault: () throws(LabError) -> Void) throws {
        guard let left = IPAddress(Self.address(of: 2)), let right = IPAddress(Self.address(of: 3)) else { return }
        try wait(for: "nebula0 on both", within: .seconds(10)) { () throws(LabError) in
            for side in [duo.left, duo.right]
            where try !side.host.result(of: "ip", "link", "show", "dev", "nebula0", "up").output.contains("nebula0") {
                return false
            }
            return true
        }
        _ = try duo.left.host.timeToFirstAnswer(from: right, within: 30)
        let meter = try Meter(
            from: duo.left.host, at: left, to: duo.right.host, at: right, streamBytes: Failover.streamBytes)
        try Meter.pause(.seconds(5) + Failover.steadyTime)
        let began = Meter.now
        try fault()
        let recovered = try Failover.waitForRecovery(of: meter)
        try Meter.pause(.seconds(1))
        let recording = try meter.stop()
        let window = began - .milliseconds(50)..<recording.lastSent - .milliseconds(200)
        Failover.note(recording, in: window, isRecovered: recovered, into: &findings)
    }

    /// Which relay carries what the left side sends: that to which it sends most.
    private func carrier(in lab: Lab) throws(LabError) -> Int {
        for relay in duo.relays { try lab.core.count(from: duo.left.uplink, to: relay.uplink) }
        try Meter.pause(.seconds(1))
        var most = (index: 0, packets: 0)
        for (index, relay) in duo.relays.enumerated() {
            let packets = try lab.core.flow(from: duo.left.uplink, to: relay.uplink).packets
            if packets > most.packets { most = (index, packets) }
        }
        return most.index
    }
}
