import Lab
import Wire

/// Packets and a TCP flow from one container to another while something happens to the machines between them.
struct Traffic {
    /// What became of it.
    struct Outcome {
        /// The longest time without an answered ping.
        let longestGap: Duration
        let answeredCount: Int
        /// Whether every line sent on the TCP connection arrived, once and in order.
        let isFlowWhole: Bool
    }

    private static let lineCount = 400
    private let ping: Program
    private let sender: Program
    private let receiver: Program

    /// Starts both: a ping and a line of TCP every 20 ms, for at least eight seconds.
    init(from container: Container, to other: Container, at address: IPAddress) throws {
        receiver = try other.start("socat", "-u", "TCP-LISTEN:7000", "STDOUT", log: "received")
        try wait(for: "the listener in \(other.label)", within: .seconds(5)) { () throws(LabError) in
            try other.run("ss", "-Hltn", "sport = 7000") != ""
        }
        sender = try container.start(
            "sh", "-c",
            """
            for line in $(seq \(Self.lineCount)); do echo $line; sleep 0.02; done |
                socat -u STDIN TCP:\(address):7000
            """, log: "sent")
        ping = try container.start("ping", "-D", "-n", "-i", "0.02", "\(address)", log: "ping")
        try ping.waitForLog("bytes from")
    }

    /// Waits for the flow's end and tells what was lost.
    func outcome() throws -> Outcome {
        try wait(for: "the end of the TCP flow", within: .seconds(60)) { !sender.isRunning && !receiver.isRunning }
        ping.stop(with: 2)
        let received = receiver.log.split(separator: "\n").compactMap { Int($0) }
        let times = ping.log.split(separator: "\n").filter { $0.contains("bytes from") }.compactMap(Self.time(of:))
        let gaps = zip(times, times.dropFirst()).map { $1 - $0 }
        return Outcome(
            longestGap: .seconds(gaps.max() ?? .infinity), answeredCount: times.count,
            isFlowWhole: received == Array(1...Self.lineCount))
    }

    /// Seconds of a line such as "[1700000000.123456] 64 bytes from ...".
    private static func time(of line: Substring) -> Double? {
        Double(line.dropFirst().prefix { $0 != "]" })
    }
}

extension Place {
    /// Sends one ping; throws if it is not answered in a second.
    func ping(_ address: IPAddress) throws(LabError) {
        try run("ping", "-c", "1", "-W", "1", "\(address)")
    }
}
