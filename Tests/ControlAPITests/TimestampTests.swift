import ControlAPI
import SansIO
import Testing

@Suite struct TimestampTests {
    @Test(arguments: [
        (0, "1970-01-01T00:00:00Z"), (-1, "1969-12-31T23:59:59Z"), (951_782_400, "2000-02-29T00:00:00Z"),
        (1_800_000_000, "2027-01-15T08:00:00Z"), (4_107_542_400, "2100-03-01T00:00:00Z"),
        (253_402_300_799, "9999-12-31T23:59:59Z"), (-62_167_219_200, "0000-01-01T00:00:00Z"),
    ])
    func `moments have their RFC 3339 form`(_ seconds: Int64, _ text: String) {
        #expect(Timestamp(secondsSince1970: seconds).description == text)
        #expect(Timestamp(text)?.secondsSince1970 == seconds)
    }

    @Test func `any moment comes back from its text`() {
        var random = SeededRandom(seed: 3)
        for _ in 0..<2000 {
            let moment = Timestamp(
                secondsSince1970: Int64.random(in: -62_167_219_200...253_402_300_799, using: &random))
            #expect(Timestamp(moment.description) == moment)
        }
    }

    @Test(arguments: [
        "", "2027-01-15", "2027-01-15 08:00:00Z", "2027-01-15T08:00:00", "2027-13-01T00:00:00Z",
        "2027-02-29T00:00:00Z", "2027-00-10T00:00:00Z", "2027-01-15T24:00:00Z", "2027-01-15T08:00:60Z",
        "+027-01-15T08:00:00Z", "2027-01-15T08:00:00é",
    ])
    func `other text is refused`(_ text: String) {
        #expect(Timestamp(text) == nil)
    }

    @Test func `moments beyond four-digit years are clamped`() {
        #expect(Timestamp(secondsSince1970: .max).description == "9999-12-31T23:59:59Z")
        #expect(Timestamp(secondsSince1970: .min).description == "0000-01-01T00:00:00Z")
    }
}
