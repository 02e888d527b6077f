import ControlAPI
import Glibc
import Lab
import Wire

/// Measures what the project promises in figures and prints each with its goal: medians of three runs.
///
/// What is printed depends on the machine and on what else runs there; the goals are of one with two cores.
struct Figures {
    let run: Run
    /// A folder with what belongs into each host's root: the unpacked package.
    let files: String

    private static let runCount = 3
    private static let idleSeconds: UInt32 = 10
    private let screen = Screen()

    /// Measures and prints, and returns the exit code.
    func measure() -> Int32 {
        do {
            try measureSizes()
            var joining: [Double] = []
            var memory: [Double] = []
            var gaps: [Double] = []
            for _ in 0..<Self.runCount {
                let lab = try Lab(run)
                defer { lab.takeDown() }
                let trio = try Trio(in: lab, files: files) { host throws(LabError) in
                    [try ContainerBridge(on: host).container("c1")]
                }
                let token = try trio.join()
                joining.append(try timeToJoin(in: lab, meeting: trio.alpha, by: token))
                memory.append(try memoryOfIdle(trio.alpha.node))
                gaps.append(try longestGap(from: trio.beta, to: trio.alpha))
            }
            report("meshctl up on an installed host to its container's first answer", joining, "ms", goal: 2000)
            report("memory of meshd (RSS), idle, 3 peers", memory, "MiB", goal: 16)
            report("longest gap of a TCP flow (kept) while meshd is killed, restarted", gaps, "ms", goal: 1000)
            return 0
        } catch {
            screen.say("meshlab: \(error)")
            return 1
        }
    }

    private func measureSizes() throws {
        for program in ["usr/sbin/meshd", "usr/bin/meshctl"] {
            let bytes = Double(try Command(["stat", "-c", "%s", "\(files)/\(program)"]).run().dropLast()) ?? 0
            report("size of \(program), stripped", [bytes / 1_000_000], "MB", goal: 12)
        }
    }

    /// From `meshctl up TOKEN` on a new host until a container there is answered by one on another host.
    private func timeToJoin(in lab: Lab, meeting site: Site, by token: String) throws -> Double {
        let address = try site.address()
        let host = try lab.host("delta", on: lab.core)
        let container = try ContainerBridge(on: host).container("c1")
        let node = try MeshNode(on: host, files: files)
        let started = ContinuousClock.now
        try node.up(token)
        let up = ContinuousClock.now - started
        return up / .milliseconds(1) + (try container.timeToFirstAnswer(from: address))
    }

    /// Asked for once the node has had nothing to do for a while: start-up is over then.
    private func memoryOfIdle(_ node: MeshNode) throws -> Double {
        sleep(Self.idleSeconds)
        guard try node.peers().count == 3 else { throw LabError.unexpected("\(node.host.label) has not three peers") }
        let lines = Files.text(of: "/proc/\(try node.processID())/status")?.split(separator: "\n") ?? []
        let words = lines.first { $0.hasPrefix("VmRSS:") }?.split { $0 == " " || $0 == "\t" }
        guard let words, let kibibytes = Double(words[1]) else { throw LabError.unexpected("meshd has no VmRSS") }
        return kibibytes / 1024
    }

    /// The most milliseconds in a row in which nothing of a flow arrived, to a tenth of a second.
    private func longestGap(from one: Site, to other: Site) throws -> Double {
        let server = try other.containers[0].start(
            "iperf3", "--server", "--one-off", "--interval", "0.1", "--forceflush", log: "gap-server")
        try server.waitForLog("listening")
        let client = try one.containers[0].start(
            "iperf3", "--client", "\(try other.address())", "--time", "5", log: "gap-client")
        try wait(for: "the first second of the flow", within: .seconds(20)) {
            server.log.matches(of: #/bits\/sec/#).count >= 10
        }
        try other.node.crash()
        try other.node.up()
        try wait(for: "the end of the flow", within: .seconds(60)) { !client.isRunning && !server.isRunning }
        guard client.exitStatus == 0 else { throw LabError.unexpected("the flow was lost: \(client.log)") }
        let intervals = server.log.split(separator: "\n").filter { $0.contains("/sec") && !$0.contains("receiver") }
        var longest = 0
        var current = 0
        for line in intervals {
            current = line.contains(" 0.00 bits/sec") ? current + 1 : 0
            longest = max(longest, current)
        }
        return Double(longest) * 100
    }

    private func report(_ what: String, _ values: [Double], _ unit: String, goal: Double) {
        let median = values.sorted()[values.count / 2]
        let all = values.count > 1 ? "  of " + values.map(Screen.figure).joined(separator: ", ") : ""
        screen.row(what, "\(Screen.figure(median)) \(unit) (goal: at most \(Screen.figure(goal)))\(all)")
    }
}
