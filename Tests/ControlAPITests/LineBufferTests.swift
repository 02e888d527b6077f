import ControlAPI
import Testing

@Suite struct LineBufferTests {
    @Test func `lines come out whole however they arrive`() throws {
        for size in 1...9 {
            var buffer = LineBuffer(limitBytes: 8)
            var lines: [String] = []
            let stream = Array("one\n\nthree\nfour".utf8)
            for start in stride(from: 0, to: stream.count, by: size) {
                buffer.append(stream[start..<min(start + size, stream.count)])
                while let line = try buffer.next() { lines.append(String(decoding: line, as: UTF8.self)) }
            }
            #expect(lines == ["one", "", "three"])
            #expect(buffer.hasPartialLine)
        }
    }

    @Test func `a line at the limit passes and a longer one does not, ended or not`() throws {
        var buffer = LineBuffer(limitBytes: 4)
        buffer.append(Array("four\n".utf8))
        let line = try buffer.next()
        #expect(line == Array("four".utf8))
        buffer.append(Array("fives".utf8))
        #expect(throws: LineBuffer.Overflow.self) { try buffer.next() }
        var ended = LineBuffer(limitBytes: 4)
        ended.append(Array("fives\n".utf8))
        #expect(throws: LineBuffer.Overflow.self) { try ended.next() }
    }
}
