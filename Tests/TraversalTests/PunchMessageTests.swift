import SansIO
import Testing
import Traversal
import Wire

private let message = PunchMessage(
    generation: 3, answering: 2, wantsAnswer: true, nat: .symmetric, allocation: .block(1024...3071),
    candidates: [
        .init(Endpoint("198.18.2.2:4242")!, kind: .reflexive),
        .init(Endpoint("[2001:db8::1]:20007")!, kind: .interface),
    ], opened: [Endpoint("198.18.3.2:20007")!])

@Suite struct PunchMessageTests {
    @Test func `what is written is read back`() throws {
        #expect(try PunchMessage(parsing: message.encoded.span) == message)
        var other = message
        for allocation in [PortAllocation.any, .sequential(last: 40_000, stride: -2), .sequential(last: 1, stride: 1)] {
            other.allocation = allocation
            #expect(try PunchMessage(parsing: other.encoded.span) == other)
        }
    }

    @Test func `every shortened message is refused`() {
        let encoded = message.encoded
        for count in 0..<encoded.count {
            #expect(throws: WireError.self) { try PunchMessage(parsing: Array(encoded.prefix(count)).span) }
        }
        #expect(throws: WireError.self) { try PunchMessage(parsing: (encoded + [0]).span) }
    }

    @Test func `no bytes make it fail otherwise, nor name more endpoints than are allowed`() {
        var random = SeededRandom(seed: 11)
        for _ in 0..<20_000 {
            var bytes = message.encoded
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                bytes[Int.random(in: bytes.indices, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            guard let parsed = try? PunchMessage(parsing: bytes.span) else { continue }
            #expect(parsed.candidates.count <= PunchMessage.candidateLimit)
            #expect(parsed.encoded == bytes)
        }
    }

    @Test func `a maker who has more candidates than fit names the best`() throws {
        let many = (0..<40).map {
            PunchMessage.Candidate(Endpoint(.v4(IPv4Address(198, 18, 0, $0)), port: 1), kind: .reflexive)
        }
        let long = PunchMessage(
            generation: 1, answering: 0, wantsAnswer: false, nat: .none, allocation: .any, candidates: many,
            opened: many.map(\.endpoint))
        let read = try PunchMessage(parsing: long.encoded.span)
        #expect(read.candidates == Array(many.prefix(PunchMessage.candidateLimit)))
    }
}
