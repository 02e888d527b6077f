import Crypto
import Testing
import Wire

@Suite struct SigningKeyTests {
    // RFC 8032 §7.1, tests 1 to 3: private key, public key, message, signature.
    @Test(arguments: [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
            """
            e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155
            5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b
            """
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
            """
            92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da
            085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00
            """
        ),
        (
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
            """
            6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac
            18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a
            """
        ),
    ])
    func `signatures follow RFC 8032`(
        _ secret: String, _ publicKey: String, _ message: String, _ signature: String
    ) throws {
        let key = try SigningKey(secret: Secret(hex(secret)))
        #expect(try key.publicKey == key32(publicKey))
        #expect(try key.signature(for: hex(message)) == hex(signature))
        #expect(try Ed25519.isValid(hex(signature), for: hex(message), by: key.publicKey))
    }

    @Test func `an altered signature, message or key is not valid`() throws {
        let key = try SigningKey(secret: Secret(counting(32)))
        let other = try SigningKey(secret: Secret(counting(32, from: 1)))
        let message = counting(100)
        let signature = key.signature(for: message)
        #expect(Ed25519.isValid(signature, for: message, by: key.publicKey))
        #expect(!Ed25519.isValid(signature, for: message, by: other.publicKey))
        #expect(!Ed25519.isValid(signature, for: message + [0], by: key.publicKey))
        for index in signature.indices {
            var altered = signature
            altered[index] ^= 1
            #expect(!Ed25519.isValid(altered, for: message, by: key.publicKey))
        }
        for length in 0..<signature.count {
            #expect(!Ed25519.isValid(Array(signature[..<length]), for: message, by: key.publicKey))
        }
        #expect(!Ed25519.isValid(signature + [0], for: message, by: key.publicKey))
    }

    @Test func `bytes that are no point of the curve verify nothing`() throws {
        let key = try SigningKey(secret: Secret(counting(32)))
        let signature = key.signature(for: [1])
        let noPoint = try key32("0200000000000000000000000000000000000000000000000000000000000000")
        #expect(!Ed25519.isValid(signature, for: [1], by: noPoint))
    }
}
