import SansIO
import Testing

@testable import Streams

@Suite struct StreamFrameTests {
    private func datagrams(of reader: inout FrameReader) throws -> [[UInt8]] {
        var datagrams: [[UInt8]] = []
        while let next = try reader.next() { datagrams.append(Array(next)) }
        return datagrams
    }

    @Test func `datagrams come out as they went in, wherever the stream is cut`() throws {
        var random = SeededRandom(seed: 1)
        let sent = (0..<200).map { index in
            [UInt8](repeating: UInt8(index), count: [1, 2, 148, 1480, StreamFrame.datagramLimit][index % 5])
        }
        var bytes: [UInt8] = []
        for datagram in sent {
            StreamFrame.append(datagram[...], to: &bytes)
            bytes += StreamFrame.signOfLife
        }
        var reader = FrameReader()
        var received: [[UInt8]] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = min(rest.count, Int.random(in: 1...4000, using: &random))
            reader.append(rest.prefix(count))
            rest = rest.dropFirst(count)
            received += try datagrams(of: &reader)
        }
        #expect(received == sent)
        #expect(reader.waitingBytes == 0)
    }

    @Test func `each byte alone gives the same`() throws {
        var bytes: [UInt8] = []
        StreamFrame.append([1, 2, 3], to: &bytes)
        StreamFrame.append([4], to: &bytes)
        var reader = FrameReader()
        var received: [[UInt8]] = []
        for byte in bytes {
            reader.append([byte])
            received += try datagrams(of: &reader)
        }
        #expect(received == [[1, 2, 3], [4]])
    }

    @Test func `a count beyond the limit is not waited for`() {
        var reader = FrameReader()
        reader.append(Array("GET / HTTP/1.1\r\n".utf8)[...])
        #expect(throws: FrameReader.Malformed.self) { try reader.next() }
    }
}

@Suite struct OutgoingQueueTests {
    private let start = Instant.zero + .seconds(5)

    @Test func `what fits one record goes together, in order`() throws {
        var queue = OutgoingQueue()
        for number in 0..<10 {
            #expect(queue.append([UInt8](repeating: UInt8(number), count: 1000)[...], at: start) == 0)
        }
        let first = queue.take(limit: 4008, at: start)
        #expect(first.sent == 4 && first.dropped == 0 && first.frames.count == 4008)
        let second = queue.take(limit: 16_384, at: start)
        #expect(second.sent == 6 && queue.isEmpty && queue.bytes == 0)
        var reader = FrameReader()
        reader.append((first.frames + second.frames)[...])
        for number in 0..<10 { #expect(try reader.next()?.first == UInt8(number)) }
    }

    @Test func `when TCP takes nothing the oldest are dropped and memory stays bounded`() {
        var queue = OutgoingQueue()
        var dropped = 0
        for number in 0..<5000 {
            dropped += queue.append([UInt8](repeating: UInt8(truncatingIfNeeded: number), count: 1400)[...], at: start)
        }
        #expect(queue.bytes <= OutgoingQueue.byteLimit)
        #expect(dropped == 5000 - OutgoingQueue.byteLimit / 1400)
        let newest = UInt8(truncatingIfNeeded: 5000 - OutgoingQueue.byteLimit / 1400)
        #expect(queue.take(limit: 2000, at: start).frames[2] == newest)
    }

    @Test func `what waited too long is not sent`() {
        var queue = OutgoingQueue()
        _ = queue.append([1], at: start)
        _ = queue.append([2], at: start + .milliseconds(400))
        let taken = queue.take(limit: 100, at: start + .milliseconds(600))
        #expect(taken.frames == [0, 1, 2] && taken.sent == 1 && taken.dropped == 1)
    }
}
