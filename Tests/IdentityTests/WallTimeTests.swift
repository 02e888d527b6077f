import Testing

@testable import Identity

@Suite struct WallTimeTests {
    @Test(
        arguments: [
            (0, "1970-01-01 00:00 UTC"), (951_827_696, "2000-02-29 12:34 UTC"), (1_772_384_700, "2026-03-01 17:05 UTC"),
            (4_107_542_399, "2100-02-28 23:59 UTC"), (4_107_542_400, "2100-03-01 00:00 UTC"),
        ] as [(UInt64, String)])
    func `a time is written as people read it`(_ seconds: UInt64, _ text: String) {
        #expect(WallTime(seconds: seconds).description == text)
    }

    @Test func `sums saturate`() {
        #expect(WallTime(seconds: .max) + .seconds(1) == WallTime(seconds: .max))
        #expect(WallTime(seconds: 5) - .seconds(6) == WallTime(seconds: 0))
        #expect(WallTime(seconds: 5) - WallTime(seconds: 8) == .seconds(-3))
        #expect(WallTime(seconds: .max).description.hasSuffix("UTC"))
    }
}
