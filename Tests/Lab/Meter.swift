import Glibc
package import Wire

/// Probes between two hosts, each way and there and back, every few milliseconds; and a TCP connection between them.
///
/// The program labmeter sends, answers and records them all; it runs at real-time priority, where it may.
package final class Meter {
    private let program: Program
    private let recordPath: String
    /// What each end writes into the TCP connection within half a second.
    private let streamTolerance: Int

    /// Begins to measure. With a TCP connection this returns once it stands, so that there has to be a way already.
    ///
    /// - Parameters:
    ///   - addresses: those by which each place is reached from the other; each is the place's own.
    ///   - streamBytes: what each end writes into the TCP connection every `interval`; with 0 there is no connection.
    package init(
        _ label: String = "meter", from one: some Place, at address: IPAddress, to other: some Place,
        at otherAddress: IPAddress, interval: Duration = .milliseconds(5), streamBytes: Int = 0
    ) throws(LabError) {
        recordPath = "\(one.run.folder)/\(one.label)-\(other.label)-\(label).record"
        streamTolerance = streamBytes * Int(Duration.milliseconds(500) / interval)
        let microseconds = interval.components.attoseconds / 1_000_000_000_000
        program = try Program(
            one.run.marking + [
                Program.built("labmeter"), recordPath, "\(microseconds)", "\(streamBytes)", one.namespacePath,
                "\(address)", other.namespacePath, "\(otherAddress)",
            ], logPath: recordPath.replacing(".record", with: ".log"))
        try program.waitForLog("ready", within: .seconds(30))
    }

    /// The time by the clock of recordings.
    package static var now: Duration {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }

    /// Probes of both ends that have been answered, to twenty.
    package var answeredCount: Int { progress.answered }

    private var progress: (answered: Int, behind: Int) {
        let words = program.log.split(separator: "\n").last { $0.hasPrefix("answered") }?.split(separator: " ") ?? []
        guard words.count == 4, let answered = Int(words[1]), let behind = Int(words[3]) else { return (0, 0) }
        return (answered, behind)
    }

    /// Waits until so many more probes have been answered.
    package func waitForAnswers(_ count: Int, within limit: Duration = .seconds(20)) throws(LabError) {
        let before = answeredCount
        try wait(for: "\(count) answered probes", within: limit) { answeredCount >= before + count }
    }

    /// Waits until both ends of the TCP connection have read all but the last that the other has written.
    package func waitForStream(within limit: Duration = .seconds(40)) throws(LabError) {
        try wait(for: "the TCP connection to go on", within: limit) { progress.behind <= streamTolerance }
    }

    /// Lets time pass, for what is measured.
    package static func pause(_ time: Duration) throws(LabError) {
        let end = Self.now + time
        while Self.now < end {
            try Interruption.check()
            usleep(10_000)
        }
    }

    /// Ends the measurement and returns what was seen.
    package func stop() throws(LabError) -> Recording {
        let status = program.stop()
        guard status == 0, let text = Files.text(of: recordPath) else {
            throw .exited(command: ["labmeter"], status: status, errors: program.log)
        }
        return try Recording(parsing: text)
    }
}
