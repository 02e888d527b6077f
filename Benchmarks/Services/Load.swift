import Glibc
import Netfilter
import Services
import Wire

/// Loads many services, changes single endpoints, and starts again.
struct Load {
    let services: Int
    let endpoints: Int

    static let changes = 1000

    func run() throws {
        var socket = try RuleSocket()
        let clock = ContinuousClock()
        let kernelBefore = Self.kernelBytes()
        let plan = plan()
        var table = ServiceTable()
        let start = clock.now
        let outcome = try table.apply(plan, by: &socket)
        let total = start.duration(to: clock.now)
        print("elements \(outcome.elementsAdded)")
        print("load \(Self.milliseconds(total)) ms")
        print("commit \(Self.milliseconds(outcome.commitDuration)) ms")
        print("kernel \(Self.megabytes(Self.kernelBytes() - kernelBefore)) MB")
        print("process \(Self.megabytes(Self.status("VmRSS:"))) MB")
        print("process-peak \(Self.megabytes(Self.status("VmHWM:"))) MB")
        if endpoints > 1 {
            try change("swap", plan, &table, &socket, isSwap: true)
            try change("scale", plan, &table, &socket, isSwap: false)
        }
        let restart = clock.now
        var next = ServiceTable()
        let again = try next.apply(plan, by: &socket)
        print("restart \(Self.milliseconds(restart.duration(to: clock.now))) ms")
        print("restart-elements \(again.elementsAdded + again.elementsDeleted)")
    }

    /// Service `n` is 10.96.0.0 + n on port 80, its endpoints are all different.
    func plan() -> ServicePlan {
        var plan = ServicePlan()
        plan.serviceRanges = [IPPrefix("10.96.0.0/12")].compactMap { $0 }
        plan.clientPrefixes = [IPPrefix("10.128.0.0/9"), IPPrefix("172.16.0.0/12")].compactMap { $0 }
        plan.frontends.reserveCapacity(services)
        for service in 0..<services { plan.frontends[key(service)] = frontend(service, 0..<endpoints) }
        return plan
    }

    private func key(_ service: Int) -> ServicePlan.Key {
        ServicePlan.Key(.v4(IPv4Address(rawValue: 0x0a60_0000 + UInt32(service))), .tcp, 80)
    }

    private func frontend(_ service: Int, _ numbers: Range<Int>) -> ServicePlan.Frontend {
        let first = 0x0a80_0000 + UInt32(service * (endpoints + 1))
        let backends = numbers.map { ServicePlan.Backend(.v4(IPv4Address(rawValue: first + UInt32($0))), port: 8080) }
        return ServicePlan.Frontend(
            service: ServiceName(namespace: "default", name: "s\(service)"), backends: backends)
    }

    /// One endpoint for another, or one less and one more.
    private func change(
        _ name: String, _ original: ServicePlan, _ table: inout ServiceTable, _ socket: inout RuleSocket, isSwap: Bool
    ) throws {
        var plan = original
        let clock = ContinuousClock()
        var (whole, kernel): ([Duration], [Duration]) = ([], [])
        for round in 0..<Self.changes {
            let service = round * 7919 % services
            let numbers = isSwap ? 1..<(endpoints + 1) : 0..<(endpoints - 1)
            for change in [numbers, 0..<endpoints] {
                let start = clock.now
                plan.frontends[key(service)] = frontend(service, change)
                let scope = ServiceTable.Scope(frontends: [key(service)])
                let outcome = try table.apply(plan, changed: scope, by: &socket)
                whole.append(start.duration(to: clock.now))
                kernel.append(outcome.commitDuration)
            }
        }
        for (part, durations) in [("kernel", kernel.sorted()), ("whole", whole.sorted())] {
            print("\(name)-\(part)-p50 \(Self.milliseconds(durations[durations.count / 2])) ms")
            print("\(name)-\(part)-p99 \(Self.milliseconds(durations[durations.count * 99 / 100])) ms")
        }
    }

    // MARK: reading the machine

    static func milliseconds(_ duration: Duration) -> String {
        let microseconds = duration / .microseconds(1)
        return "\(Double(Int(microseconds)) / 1000)"
    }

    private static func megabytes(_ bytes: Int) -> String { "\(Double(bytes / 10_000) / 100)" }

    /// What the kernel holds that such tables are made of.
    private static func kernelBytes() -> Int {
        let lines = text(of: "/proc/meminfo").split(separator: "\n")
        return lines.reduce(0) { sum, line in
            let words = line.split(separator: " ")
            guard words.count > 1, ["SUnreclaim:", "VmallocUsed:", "Percpu:"].contains(words[0]) else { return sum }
            return sum + (Int(words[1]) ?? 0) * 1024
        }
    }

    private static func status(_ field: String) -> Int {
        let line = text(of: "/proc/self/status").split(separator: "\n").first { $0.hasPrefix(field) }
        return line?.split(whereSeparator: { " \t".contains($0) }).dropFirst().first.flatMap { Int($0) }.map {
            $0 * 1024
        } ?? 0
    }

    private static func text(of path: String) -> String {
        let descriptor = unsafe open(path, O_RDONLY)
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 16_384)
        let count = max(unsafe read(descriptor, &bytes, bytes.count), 0)
        return String(decoding: bytes[..<count], as: UTF8.self)
    }
}
