import Crypto
import SansIO
import Testing
import Wire

@testable import Identity

@Suite struct JoinTokenTests {
    private var fixture = Fixture()

    @Test mutating func `a token survives its text`() throws {
        let token = try fixture.token(
            Fixture.terms(uses: 3) {
                $0.namePattern = NamePattern("edge-*.site")!
                $0.announcePool = [IPPrefix("192.168.0.0/16")!, IPPrefix("fd00:1::/32")!]
            })
        let read = try JoinToken(token.text)
        #expect(read.text == token.text)
        #expect(read.invite == token.invite)
        #expect(read.mesh == token.mesh)
        #expect(read.bootstrap == token.bootstrap)
        #expect(read.meshSecret == token.meshSecret)
        #expect(read.inviteKey.publicKey == token.invite.publicKey)
        #expect(read.delegate == nil)
    }

    @Test mutating func `white space that a terminal put in does no harm`() throws {
        let text = try fixture.token().text
        let wrapped =
            " " + text.enumerated().map { $0.offset % 60 == 59 ? "\($0.element)\r\n" : "\($0.element)" }.joined()
        #expect(try JoinToken(wrapped).text == text)
    }

    @Test mutating func `a token cut off anywhere is said to be cut off`() throws {
        let text = try fixture.token().text
        for count in 1..<text.count {
            #expect(throws: TokenError.truncated, "\(count) of \(text.count) characters") {
                try JoinToken(String(text.prefix(count)))
            }
        }
        #expect(throws: TokenError.notAToken) { try JoinToken("") }
    }

    @Test mutating func `a token with one character changed is never taken`() throws {
        let text = Array(try fixture.token().text.utf8)
        var random = SeededRandom(seed: 7)
        let alphabet = Array("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_".utf8)
        for index in text.indices {
            var changed = text
            repeat {
                changed[index] = alphabet[Int.random(in: 0..<64, using: &random)]
            } while changed[index] == text[index]
            #expect(throws: TokenError.self, "character \(index)") {
                try JoinToken(String(decoding: changed, as: UTF8.self))
            }
        }
    }

    @Test mutating func `tokens mutated at random are never taken and never crash`() throws {
        let text = Array(try fixture.token().text.utf8)
        for seed in 0..<3000 as Range<UInt64> {
            var random = SeededRandom(seed: seed)
            var changed = text
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                let index = Int.random(in: 0..<changed.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: changed[index] = UInt8.random(in: 0...255, using: &random)
                case 1: changed.remove(at: index)
                default: changed.insert(UInt8.random(in: 33...126, using: &random), at: index)
                }
            }
            let mutated = String(decoding: changed, as: UTF8.self)
            guard mutated.filter({ !$0.isWhitespace }) != String(decoding: text, as: UTF8.self) else { continue }
            #expect(throws: TokenError.self, "seed \(seed)") { try JoinToken(mutated) }
        }
    }

    @Test mutating func `each way of being no token has its reason`() throws {
        let text = try fixture.token().text
        #expect(throws: TokenError.notAToken) { try JoinToken("hello") }
        #expect(throws: TokenError.notAToken) { try JoinToken("kubemesh_abc") }
        #expect(throws: TokenError.foreignVersion("kubemesh2")) { try JoinToken("kubemesh2_" + text.dropFirst(10)) }
        #expect(throws: TokenError.garbled) { try JoinToken(text + "AAAA") }
        #expect(throws: TokenError.garbled) { try JoinToken(text.dropLast(3) + "!!!") }
        let swapped = String(text.dropLast(20)) + (text.hasSuffix("A") ? "B" : "A") + text.suffix(19)
        if swapped != text { #expect(throws: TokenError.altered) { try JoinToken(swapped) } }
    }

    @Test mutating func `a token of another mesh makes a node that this mesh refuses`() throws {
        var other = Fixture(seed: 2)
        let stranger = try other.join("edge-1", try other.token())
        #expect(throws: ChainError.foreignMesh(other.mesh.id)) { try stranger.chain.verify(in: fixture.mesh) }
        let disguised = CertificateChain(
            meshID: fixture.mesh.id, delegate: nil, invite: stranger.chain.invite, certificate: stranger.certificate)
        #expect(throws: ChainError.badSignature(.invite)) { try disguised.verify(in: fixture.mesh) }
    }

    @Test mutating func `a token whose invite and key do not belong together admits nobody`() throws {
        let token = try fixture.token()
        let mixed = JoinToken(
            mesh: token.mesh, meshSecret: token.meshSecret, inviteKey: try fixture.token().inviteKey, delegate: nil,
            invite: token.invite, bootstrap: [])
        #expect(throws: JoinError.invite(.badSignature(.invite))) { try fixture.join("edge-1", mixed) }
    }
}
