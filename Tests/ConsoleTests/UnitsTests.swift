import ControlAPI
import Testing

@testable import Console

@Suite struct UnitsTests {
    @Test(arguments: [
        (0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536, "1.5 KiB"), (1_048_575, "1.0 MiB"),
        (3_221_225_472, "3.0 GiB"), (UInt64.max, "16.0 EiB"),
    ])
    func `bytes`(_ count: UInt64, _ text: String) {
        #expect(Units.bytes(count) == text)
    }

    @Test(arguments: [
        (0, "0.00 ms"), (423, "0.42 ms"), (9_990, "9.99 ms"), (12_345, "12.3 ms"), (1_240_400, "1240 ms"),
    ])
    func `milliseconds`(_ microseconds: Int64, _ text: String) {
        #expect(Units.milliseconds(.microseconds(microseconds)) == text)
    }

    @Test(arguments: [
        (-5, "0 s"), (0, "0 s"), (59, "59 s"), (60, "1 min"), (200, "3 min 20 s"), (7500, "2 h 5 min"),
        (7205, "2 h"), (1_047_600, "12 d 3 h"),
    ])
    func `ages`(_ seconds: Int64, _ text: String) {
        #expect(Units.age(.seconds(seconds)) == text)
    }

    @Test func `moments say how far off they are`() {
        let now = Timestamp(secondsSince1970: 1_800_000_000)
        let later = Timestamp(secondsSince1970: 1_800_090_000)
        #expect(Units.moment(later, now: now) == "2027-01-16 09:00 UTC (in 1 d 1 h)")
        #expect(Units.moment(now, now: later) == "2027-01-15 08:00 UTC (1 d 1 h ago)")
    }

    @Test(arguments: [(0, "0"), (999, "999"), (1000, "1 000"), (9_000_001, "9 000 001")])
    func `large numbers are grouped`(_ number: UInt64, _ text: String) {
        #expect(Units.grouped(number) == text)
    }
}
