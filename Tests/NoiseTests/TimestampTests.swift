import Crypto
import SansIO
import Testing
import Wire

@testable import Noise

@Suite struct TimestampTests {
    @Test func `a label is TAI64N, rounded so that it does not tell the time exactly`() {
        let timestamp = Timestamp(unixTime: .seconds(1_700_000_000) + .nanoseconds(0x0712_3456))
        #expect(timestamp.bytes.hexadecimal == "400000006553f10a07000000")
        #expect(Timestamp(unixTime: .seconds(-5)) == Timestamp(unixTime: .zero))
    }

    @Test func `a label survives the wire, and is refused when cut at any length`() throws {
        let timestamp = Timestamp(unixTime: .seconds(12) + .milliseconds(700))
        let bytes = timestamp.bytes
        let parsed = try Timestamp(parsing: bytes.span)
        #expect(parsed == timestamp)
        for length in bytes.indices {
            let cut = Array(bytes[..<length])
            #expect(throws: WireError.truncated) { try Timestamp(parsing: cut.span) }
        }
        let longer = bytes + [0]
        #expect(throws: WireError.trailingBytes) { try Timestamp(parsing: longer.span) }
    }

    @Test func `labels grow though the wall clock stands still or goes backwards`() {
        var clock = TimestampClock()
        var labels: [Timestamp] = []
        for seconds in [100, 100, 100, 50, 0, 101, 101] {
            labels.append(clock.next(unixTime: .seconds(seconds)))
        }
        #expect(zip(labels, labels.dropFirst()).allSatisfy { $0 < $1 })
        #expect(labels[5] == Timestamp(unixTime: .seconds(101)))
        #expect(clock.last == labels.last)
    }

    @Test func `the successor of a full second is the next second`() throws {
        let full = try #require([UInt8](hexadecimal: "400000000000000a3b9ac9ff"))
        let next = try Timestamp(parsing: full.span).successor
        #expect(next.bytes.hexadecimal == "400000000000000b00000000")
        let greatest = [UInt8](repeating: 0xff, count: 12)
        let last = try Timestamp(parsing: greatest.span)
        #expect(last.successor == last)
    }

    @Test func `a node whose clock went backwards is heard only if it remembers its last label`() throws {
        for remembers in [true, false] {
            var pair = try Pair()
            pair.send([1], from: 0)
            try pair.run(for: .seconds(1))
            // Side 0 restarts a day earlier.
            let last = pair.sides[0].timestamps.last
            pair.carryOut(pair.sides[0].tunnel.close(), on: 0)
            pair.sides[0].timestamps = TimestampClock(last: remembers ? last : nil)
            pair.sides[0].wallOffset -= .seconds(86_400)
            pair.send([2], from: 0)
            try pair.run(for: .seconds(30))
            #expect(pair.sides[1].received == (remembers ? [[1], [2]] : [[1]]))
            #expect(pair.sides[1].errors.contains(.replayedInitiation) == !remembers)
        }
    }

    @Test func `a responder that restarts with the greatest label refuses old initiations`() throws {
        var pair = try Pair()
        pair.send([1], from: 0)
        try pair.run(for: .seconds(1))
        let initiation = pair.messages(ofType: 1)[0]
        let greatest = try #require(pair.sides[1].tunnel.greatestTimestamp)
        #expect(greatest == pair.sides[0].timestamps.last)
        pair.carryOut(pair.sides[1].tunnel.close(), on: 1)
        pair.sides[1].tunnel = try Tunnel(
            key: pair.sides[1].key, peer: pair.sides[0].key.publicKey, greatestTimestamp: greatest)
        try pair.deliver(initiation, to: 1)
        #expect(pair.sides[1].errors == [.replayedInitiation])
    }
}
