import CAllocations
import Linux
import SansIO

/// Times a piece of work and counts its allocations.
struct Measurement {
    private let name: String
    private let nanosecondsPerUnit: Double
    private let allocationsPerUnit: Double

    /// Runs `body`, which does `units` units of work, `rounds` times after one round of warm-up, and keeps the fastest.
    ///
    /// `prepare` runs before each round, unmeasured.
    init(
        _ name: String, units: Int, rounds: Int = 20, prepare: () -> Void = {}, _ body: () -> Void
    ) {
        self.name = name
        var fastest = Duration.seconds(1000)
        var allocations = UInt64.max
        for _ in 0...rounds {
            prepare()
            let allocationsBefore = allocation_count()
            let start = SystemClock.now
            body()
            fastest = min(fastest, SystemClock.now - start)
            allocations = min(allocations, allocation_count() - allocationsBefore)
        }
        nanosecondsPerUnit = Double(fastest.nanoseconds) / Double(units)
        allocationsPerUnit = Double(allocations) / Double(units)
    }

    /// One line: name, nanoseconds and allocations per unit; for packets of `bytes` the rate too.
    func report(bytes: Int? = nil) {
        var line = "\(name): \(rounded(nanosecondsPerUnit)) ns, \(rounded(allocationsPerUnit)) allocations"
        if let bytes { line += ", \(rounded(Double(bytes) * 8 / nanosecondsPerUnit)) Gbit/s" }
        print(line)
    }

    private func rounded(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return "\(tenths / 10).\(tenths % 10)"
    }
}
