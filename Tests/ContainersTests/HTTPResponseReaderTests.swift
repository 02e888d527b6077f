import SansIO
import Testing

@testable import Containers

@Suite struct HTTPResponseReaderTests {
    /// The events with neighbouring pieces of a body joined.
    private func read(_ text: String, stepBytes: Int = .max) throws -> [HTTPResponseReader.Event] {
        var reader = HTTPResponseReader()
        var rest = Array(text.utf8)[...]
        var events: [HTTPResponseReader.Event] = []
        while !rest.isEmpty {
            for event in try reader.read(Array(rest.prefix(stepBytes))) {
                if case .body(let more) = event, case .body(let before)? = events.last {
                    events[events.count - 1] = .body(before + more)
                } else {
                    events.append(event)
                }
            }
            rest = rest.dropFirst(stepBytes)
        }
        return events
    }

    @Test(arguments: [1, 2, 3, 7, 1000])
    func `responses follow each other on one connection, however their bytes are cut`(stepBytes: Int) throws {
        let text =
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
            + "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n\r\n"
            + "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n"
            + "HTTP/1.1 204 No Content\r\n\r\n" + "HTTP/1.0 200 OK\r\nServer: x\r\n\r\nuntil the end"
        #expect(
            try read(text, stepBytes: stepBytes) == [
                .head(status: 200), .body(Array("hello".utf8)), .end, .head(status: 404), .end, .head(status: 200),
                .body(Array("abc0123456789".utf8)), .end, .head(status: 204), .end, .head(status: 200),
                .body(Array("until the end".utf8)),
            ])
    }

    @Test(arguments: [
        "SSH-2.0-OpenSSH\r\n\r\n", "HTTP/2 200\r\n\r\n", "HTTP/1.1 99 x\r\n\r\n", "HTTP/1.1 2000 x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1000000000\r\n",
        "HTTP/1.1 200 OK\r\nX: " + String(repeating: "x", count: 17 << 10),
    ])
    func `what is no response is refused`(text: String) {
        #expect(throws: RuntimeFailure.self) { try read(text) }
    }

    @Test func `damaged responses never trap, and bodies never grow`() throws {
        var random = SeededRandom(seed: 4)
        let text = Array(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
                .utf8)
        for _ in 0..<5_000 {
            var damaged = text
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                damaged[Int.random(in: 0..<damaged.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            var reader = HTTPResponseReader()
            // Refusals are as good as events here.
            let events = (try? reader.read(damaged)) ?? []
            let bytes = events.reduce(0) { if case .body(let body) = $1 { $0 + body.count } else { $0 } }
            #expect(bytes <= damaged.count)
        }
    }
}
