import Glibc
package import Wire

extension Place {
    /// Whether `address` answers a ping.
    package func canPing(_ address: IPAddress, within seconds: Int = 2) throws(LabError) -> Bool {
        try result(of: "ping", "-n", "-c", "1", "-W", "\(seconds)", "\(address)").succeeded
    }

    /// Round-trip times in milliseconds, sorted; what was lost is missing.
    package func roundTrips(to address: IPAddress, count: Int = 10) throws(LabError) -> [Double] {
        let output = try result(of: "ping", "-n", "-c", "\(count)", "-i", "0.05", "-W", "2", "\(address)").output
        return output.split(separator: "\n").compactMap { Self.number(in: $0, after: "time=") }.sorted()
    }

    /// Milliseconds from the first packet sent until a first answer: pings every 10 ms until one is answered.
    package func timeToFirstAnswer(from address: IPAddress, within seconds: Int = 5) throws(LabError) -> Double {
        let output = try result(
            of: "ping", "-n", "-c", "1", "-i", "0.01", "-w", "\(seconds)", "\(address)",
            within: .seconds(seconds + 10)
        ).output
        let answers = output.split(separator: "\n").compactMap { line -> Double? in
            guard let sequence = Self.number(in: line, after: "icmp_seq="),
                let time = Self.number(in: line, after: "time=")
            else { return nil }
            return (sequence - 1) * 10 + time
        }
        guard let first = answers.min() else {
            throw .unexpected("\(address) did not answer \(label) within \(seconds) s: \(output)")
        }
        return first
    }

    /// Megabits a second over one TCP flow from here to `address`, where `server` listens.
    package func throughput(to address: IPAddress, of server: some Place, seconds: Int = 3) throws(LabError) -> Double {
        let listener = try server.start("iperf3", "--server", "--one-off", "--forceflush", log: "iperf3-\(uptime)")
        defer { listener.stop() }
        try listener.waitForLog("listening")
        let report = try run(
            "iperf3", "--client", "\(address)", "--time", "\(seconds)", "--format", "m", within: .seconds(seconds + 20))
        let line = report.split(separator: "\n").last { $0.contains("receiver") }
        guard let words = line?.split(separator: " "), let unit = words.firstIndex(of: "Mbits/sec"), unit > 0,
            let figure = Double(words[unit - 1])
        else { throw .unexpected("iperf3 says '\(report)'") }
        return figure
    }

    /// Answers every HTTP request on port 80 with `text`.
    package func serveHTTP(_ text: String) throws(LabError) -> Program {
        let folder = "\(run.folder)/\(label)-www"
        try Files.makeFolder(folder)
        try Files.write(text + "\n", to: folder + "/index.html")
        let server = try start("busybox", "httpd", "-f", "-p", "80", "-h", folder, log: "httpd")
        try wait(for: "a web server in \(label)", within: .seconds(5)) { () throws(LabError) in
            try result(of: "nc", "-z", "-w", "1", "127.0.0.1", "80").succeeded
        }
        return server
    }

    /// What a web server answers.
    package func fetch(_ address: IPAddress, within seconds: Int = 5) throws(LabError) -> String {
        let host = address.isIPv4 ? "\(address)" : "[\(address)]"
        return try run("curl", "-sS", "--noproxy", "*", "--max-time", "\(seconds)", "http://\(host)/")
    }

    private static func number(in line: Substring, after name: String) -> Double? {
        guard let range = line.firstRange(of: name) else { return nil }
        return Double(line[range.upperBound...].prefix { $0.isNumber || $0 == "." })
    }

    /// A number that differs from call to call, for the names of logs.
    private var uptime: Int { clock() }
}
