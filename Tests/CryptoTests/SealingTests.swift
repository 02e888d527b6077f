import Crypto
import SansIO
import Testing
import Wire

@Suite struct SealingTests {
    private let sunscreen = Array(
        """
        Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, \
        sunscreen would be it.
        """.utf8)

    // RFC 8439 §2.8.2.
    @Test func `ChaCha20-Poly1305 follows RFC 8439`() throws {
        let sealed = try ChaChaPoly.seal(
            sunscreen, key: Secret(counting(32, from: 0x80)), nonce: hex("070000004041424344454647"),
            authenticating: hex("50515253c0c1c2c3c4c5c6c7"))
        #expect(
            try sealed
                == hex(
                    """
                    d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6
                    3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36
                    92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc
                    3ff4def08e4b7a9de576d26586cec64b6116
                    1ae10b594f09e26a7e902ecbd0600691
                    """))
    }

    // draft-irtf-cfrg-xchacha-03, appendix A.3.1.
    @Test func `XChaCha20-Poly1305 follows its draft`() throws {
        let sealed = try XChaChaPoly.seal(
            sunscreen, key: Secret(counting(32, from: 0x80)), nonce: counting(24, from: 0x40),
            authenticating: hex("50515253c0c1c2c3c4c5c6c7"))
        #expect(
            try sealed
                == hex(
                    """
                    bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb
                    731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b452
                    2f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9
                    21f9664c97637da9768812f615c68b13b52e
                    c0875924c1c7987947deafd8780acf49
                    """))
    }

    @Test(arguments: [0, 1, 15, 16, 17, 64, 300])
    func `what is sealed opens, and nothing else does`(_ length: Int) throws {
        let (message, data) = (counting(length), counting(20))
        let key = Secret(counting(32))
        let short = ChaChaPoly.seal(message, key: key, nonce: counting(12), authenticating: data)
        let long = XChaChaPoly.seal(message, key: key, nonce: counting(24), authenticating: data)
        #expect(try ChaChaPoly.open(short, key: key, nonce: counting(12), authenticating: data) == message)
        #expect(try XChaChaPoly.open(long, key: key, nonce: counting(24), authenticating: data) == message)
        #expect(throws: CryptoError.authenticationFailed) {
            try ChaChaPoly.open(short, key: key, nonce: counting(12), authenticating: data + [0])
        }
        #expect(throws: CryptoError.authenticationFailed) {
            try XChaChaPoly.open(long, key: key, nonce: counting(24, from: 1), authenticating: data)
        }
        for index in short.indices {
            var (shortAltered, longAltered) = (short, long)
            shortAltered[index] ^= 1
            longAltered[index] ^= 1
            #expect(throws: CryptoError.authenticationFailed) {
                try ChaChaPoly.open(shortAltered, key: key, nonce: counting(12), authenticating: data)
            }
            #expect(throws: CryptoError.authenticationFailed) {
                try XChaChaPoly.open(longAltered, key: key, nonce: counting(24), authenticating: data)
            }
            #expect(throws: CryptoError.authenticationFailed) {
                try ChaChaPoly.open(Array(short[..<index]), key: key, nonce: counting(12), authenticating: data)
            }
        }
    }
}
