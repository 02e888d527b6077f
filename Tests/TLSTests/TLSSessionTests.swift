import Crypto
import SansIO
import Testing

@testable import TLS

/// Both ends of a connection, joined in memory.
private struct Pair {
    let client: TLSSession
    let server: TLSSession

    init(client: [Secret], server: [Secret], serverName: String? = nil) {
        self.client = TLSContext(secrets: client).client(serverName: serverName)
        self.server = TLSContext(secrets: server).server()
    }

    /// Carries bytes to and fro until neither has more to say.
    func settle() throws {
        for _ in 0..<10 {
            try client.advance()
            let toServer = client.takeOutput()
            server.receive(toServer[...])
            try server.advance()
            let toClient = server.takeOutput()
            client.receive(toClient[...])
            if toServer.isEmpty, toClient.isEmpty { return }
        }
    }
}

@Suite struct TLSSessionTests {
    private static func secret(_ byte: UInt8) -> Secret { Secret(Array(repeating: byte, count: 32)) }
    private let room = [UInt8](repeating: 0, count: TLSSession.recordLimit)
    private let current = secret(1)
    private let previous = secret(2)

    @Test func `members of a mesh agree and carry bytes both ways`() throws {
        let pair = Pair(client: [current], server: [current], serverName: "www.example.org")
        try pair.settle()
        #expect(pair.client.isEstablished && pair.server.isEstablished)
        try pair.client.write(Array("to the server".utf8))
        try pair.server.write(Array(repeating: 7, count: 3 * TLSSession.recordLimit))
        pair.server.receive(pair.client.takeOutput()[...])
        pair.client.receive(pair.server.takeOutput()[...])
        var received = room
        #expect(try pair.server.read(toStartOf: &received) == 13)
        #expect(received.starts(with: "to the server".utf8))
        var total = 0
        while true {
            var piece = room
            let count = try pair.client.read(toStartOf: &piece)
            if count == 0 { break }
            total += count
        }
        #expect(total == 3 * TLSSession.recordLimit)
    }

    @Test func `a server that does not know the mesh secret is refused`() throws {
        let pair = Pair(client: [current], server: [Self.secret(9)])
        #expect(throws: TLSError.foreignKey) { try pair.settle() }
        #expect(!pair.client.isEstablished)
    }

    @Test(
        arguments: [
            ([1], [2, 1]), ([2], [2, 1]), ([2, 1], [1]), ([2, 1], [2]), ([2, 1], [2, 1]),
        ] as [([UInt8], [UInt8])])
    func `while the secret changes, who knows one of the two is enough`(client: [UInt8], server: [UInt8]) throws {
        let pair = Pair(client: client.map(Self.secret), server: server.map(Self.secret))
        try pair.settle()
        #expect(pair.client.isEstablished && pair.server.isEstablished)
    }

    @Test func `once the change is over, the old secret counts for nothing`() throws {
        let pair = Pair(client: [current], server: [previous])
        #expect(throws: TLSError.foreignKey) { try pair.settle() }
    }

    @Test func `what is no TLS is refused`() {
        for garbage in [
            "GET / HTTP/1.1\r\nHost: relay\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n", String(repeating: "\0", count: 300),
        ] {
            let server = TLSContext(secrets: [current]).server()
            server.receive(Array(garbage.utf8)[...])
            #expect(throws: TLSError.self) { try server.advance() }
            #expect(!server.isEstablished)
        }
    }

    @Test func `random bytes at any place break the connection and nothing else`() throws {
        var random = SeededRandom(seed: 4)
        for _ in 0..<200 {
            let pair = Pair(client: [current], server: [current])
            try pair.settle()
            try pair.client.write(Array(repeating: 1, count: 100))
            var record = pair.client.takeOutput()
            record[Int.random(in: 0..<record.count, using: &random)] ^= UInt8.random(in: 1...255, using: &random)
            pair.server.receive(record[...])
            var received = room
            let count = try? pair.server.read(toStartOf: &received)
            #expect((count ?? 0) == 0)
        }
    }

    @Test func `the end of the other side is seen`() throws {
        let pair = Pair(client: [current], server: [current])
        try pair.settle()
        pair.client.close()
        pair.server.receive(pair.client.takeOutput()[...])
        var received = room
        #expect(try pair.server.read(toStartOf: &received) == 0)
        #expect(pair.server.hasEnded)
    }
}
