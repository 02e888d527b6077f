import Mesh
import SansIO
import Testing
import Wire

@Suite struct ControlFrameTests {
    static let node = Bytes32(Array(repeating: 7, count: 32)) ?? .zero
    static let frames: [ControlFrame] = [
        .hello(.init(bootID: 1, wallSeconds: 2, wantsReply: true, record: [1, 2, 3])),
        .ping(nonce: 77, inDoubt: false),
        .ping(nonce: 77, inDoubt: true),
        .pong(nonce: 77, observed: nil, load: 0, arrived: 0),
        .pong(nonce: 77, observed: Endpoint("198.18.1.2:4242"), load: 254, arrived: 1 << 31),
        .pong(nonce: 77, observed: Endpoint("[2001:db8::1]:4242"), load: 254, arrived: .max),
        .records([[1], [], [2, 3]]),
        .digest(.init(first: 0, last: .max, entries: [.init(node: 1, number: 2), .init(node: 3, number: 4)])),
        .recordRequest([5, 6]),
        .circuitOpen(replyID: 1, target: node, route: nil, message: [9]),
        .circuitOpen(replyID: 1, target: node, route: .init(origin: node, relays: 2), message: [9]),
        .circuitOffer(relayID: 2, origin: node, message: [9, 9]),
        .circuitAccept(relayID: 2, replyID: 3, message: []),
        .circuitReady(replyID: 1, relayID: 4, message: [8]),
        .circuitClosed(identifier: 1, reason: 3),
        .refusal(reason: "the invite is used up", takenSubnets: []),
        .refusal(reason: "the prefix is taken", takenSubnets: [256, 4711]),
        .goodbye,
        .fragment(.init(message: 1, index: 1, count: 3, bytes: [1, 2])),
        .extended(.renewal, [1, 2, 3]),
        .extended(.punch, []),
    ]

    @Test(arguments: frames) func `a frame survives the wire, and its first nibble is zero`(_ frame: ControlFrame)
        throws
    {
        let bytes = frame.encoded
        #expect(try ControlFrame(parsing: bytes.span) == frame)
        #expect(bytes[0] >> 4 == 0)
        let padded = bytes + Array(repeating: 0, count: 15)
        #expect(try ControlFrame(parsing: padded.span) == frame)
    }

    @Test(arguments: frames) func `a frame cut at any length is refused or is another whole frame`(
        _ frame: ControlFrame
    ) {
        let bytes = frame.encoded
        for length in bytes.indices {
            let cut = Array(bytes[..<length])
            // Frames that end in a list or a payload stay valid when cut between its elements.
            if let parsed = try? ControlFrame(parsing: cut.span) { #expect(parsed.encoded == cut) }
        }
    }

    @Test(arguments: frames) func `a mutated frame is refused or reads as what it says`(_ frame: ControlFrame) {
        var random = SeededRandom(seed: 11)
        let bytes = frame.encoded
        for _ in 0..<500 {
            var mutated = bytes
            let index = Int.random(in: mutated.indices, using: &random)
            mutated[index] ^= UInt8.random(in: 1...255, using: &random)
            guard let parsed = try? ControlFrame(parsing: mutated.span) else { continue }
            let encoded = parsed.encoded
            #expect(mutated.starts(with: encoded))
            #expect(mutated.dropFirst(encoded.count).allSatisfy { $0 == 0 })
        }
    }

    @Test func `a long frame comes together from its pieces in any order`() throws {
        var random = SeededRandom(seed: 12)
        var sender = FrameAssembler()
        var receiver = FrameAssembler()
        let frame = (0..<5000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        let packets = sender.split(frame).shuffled(using: &random)
        #expect(packets.count == 5)
        var whole: [UInt8]?
        for packet in packets {
            #expect(packet.count <= ControlFrame.sizeLimit)
            guard case .fragment(let fragment) = try ControlFrame(parsing: packet.span) else {
                Issue.record("no fragment")
                continue
            }
            #expect(whole == nil)
            whole = receiver.assemble(fragment)
        }
        #expect(whole == frame)
        let short = sender.split([1, 2, 3])
        #expect(short == [[1, 2, 3]])
        let tooLong = sender.split(Array(repeating: 0, count: 100_000))
        #expect(tooLong.isEmpty)
    }

    @Test func `a piece of another frame drops the unfinished one`() {
        var receiver = FrameAssembler()
        let results = [
            receiver.assemble(.init(message: 1, index: 0, count: 2, bytes: [1])),
            receiver.assemble(.init(message: 2, index: 0, count: 2, bytes: [3])),
            receiver.assemble(.init(message: 1, index: 1, count: 2, bytes: [2])),
            receiver.assemble(.init(message: 1, index: 0, count: 2, bytes: [1])),
        ]
        #expect(results == [nil, nil, nil, [1, 2]])
    }
}
