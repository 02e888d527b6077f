import Crypto
import Testing
import Wire

@Suite struct AgreementKeyTests {
    // RFC 7748 §6.1.
    @Test func `both sides of an exchange follow RFC 7748`() throws {
        let alice = try AgreementKey(
            secret: Secret(hex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a")))
        let bob = try AgreementKey(
            secret: Secret(hex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb")))
        #expect(
            try alice.publicKey == key32("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"))
        #expect(
            try bob.publicKey == key32("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"))
        let shared = try Secret(hex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"))
        #expect(try alice.sharedSecret(with: bob.publicKey) == shared)
        #expect(try bob.sharedSecret(with: alice.publicKey) == shared)
    }

    // RFC 7748 §5.2, second kind of test.
    @Test(arguments: [
        (1, "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079"),
        (1000, "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51"),
    ])
    func `iterated agreement follows RFC 7748`(_ rounds: Int, _ result: String) throws {
        var scalar: [UInt8] = [9] + Array(repeating: 0, count: 31)
        var point = scalar
        for _ in 0..<rounds {
            let next = try AgreementKey(secret: Secret(scalar)).sharedSecret(with: #require(Bytes32(point)))
            point = scalar
            scalar = next.bytes
        }
        #expect(scalar.hexadecimal == result)
    }

    // The points of low order, canonical and not, of which every agreement is zero.
    @Test(arguments: [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ])
    func `a public key of low order is refused`(_ point: String) throws {
        let key = try AgreementKey(secret: Secret(counting(32)))
        let publicKey = try key32(point)
        #expect(throws: CryptoError.weakPublicKey) { try key.sharedSecret(with: publicKey) }
    }

    @Test func `a private key of another size is refused`() {
        #expect(throws: CryptoError.invalidKey) { try AgreementKey(secret: Secret(counting(31))) }
        #expect(throws: CryptoError.invalidKey) { try SigningKey(secret: Secret(counting(33))) }
    }
}
