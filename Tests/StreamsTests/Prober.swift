import Crypto
import Linux
import SansIO
import TLS
import Wire

/// Somebody who connects and speaks as he likes.
final class Prober {
    private let socket: TCPSocket

    init(to endpoint: Endpoint) throws {
        socket = try TCPSocket.connect(to: endpoint)
        // Loopback connects at once.
        try socket.checkConnected()
    }

    func send(_ bytes: [UInt8]) throws {
        _ = try socket.descriptor.send(bytes[...])
    }

    /// What came by now or, waiting for it, next; `nil` at the end.
    func read() throws -> [UInt8]? {
        var bytes: [UInt8] = []
        return try eventually("bytes", wait: { socket.descriptor.waitUntilReadable() }) {
            switch try socket.descriptor.read(into: &bytes, limit: 65_536) {
            case .bytes: .some(bytes)
            case .wouldBlock: nil
            case .end: .some(nil)
            }
        }
    }

    func readToEnd() throws -> [UInt8] {
        var all: [UInt8] = []
        while let bytes = try read() { all += bytes }
        return all
    }
}

/// A member's TLS with somebody else behind it.
final class TLSProber {
    private let prober: Prober
    private let session = TLSContext(secrets: [Secret(Array(repeating: 1, count: 32))]).client(serverName: nil)

    init(to endpoint: Endpoint) throws {
        prober = try Prober(to: endpoint)
        try session.advance()
        while !session.isEstablished {
            try prober.send(session.takeOutput())
            guard let bytes = try prober.read() else { throw Timeout(what: "TLS") }
            session.receive(bytes[...])
            try session.advance()
        }
        try prober.send(session.takeOutput())
    }

    func send(_ bytes: [UInt8]) throws {
        try session.write(bytes)
        try prober.send(session.takeOutput())
    }

    /// The plain bytes until the other side closes.
    func readToEnd() throws -> [UInt8] {
        session.receive(try prober.readToEnd()[...])
        var plain: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: TLSSession.recordLimit)
        while true {
            let count = try session.read(toStartOf: &piece)
            if count == 0 { break }
            plain += piece[..<count]
        }
        return plain
    }
}
