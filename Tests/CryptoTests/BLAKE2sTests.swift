import Crypto
import Testing
import Wire

/// Vectors without a section number come from Python's hashlib and hmac.
@Suite struct BLAKE2sTests {
    // RFC 7693 appendix B, and the reference implementation's first vector.
    @Test(arguments: [
        ("616263", "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982"),
        ("", "69217a3079908094e11121d042354a7c1f55b6482ca1a51e1b250dfd1ed0eef9"),
    ])
    func `the hash follows RFC 7693`(_ message: String, _ digest: String) throws {
        #expect(try BLAKE2s.hash(hex(message)) == key32(digest))
    }

    @Test func `a message may be hashed in parts`() throws {
        let message = (0..<1000).map { UInt8($0 % 251) }
        let digest = try key32("1c067a5e746fb0f6734efac9a8cdb0e11061f0077f255184365c690115392501")
        for cut in [0, 1, 63, 64, 65, 999, 1000] {
            #expect(BLAKE2s.hash(Array(message[..<cut]), Array(message[cut...])) == digest)
        }
    }

    @Test func `the keyed hash takes keys of 16 and 32 bytes and gives 16 or 32`() throws {
        let message = counting(116)
        #expect(
            BLAKE2s.mac16(key: counting(32), message.span).hexadecimal == "072e94ffbfc684bd8ab2a1b9dade2fd5")
        #expect(
            BLAKE2s.mac16(key: counting(16), message.span).hexadecimal == "b9b1bbba1b59e4349d1018f97d243fca")
        let longer = counting(255)
        #expect(
            try BLAKE2s.mac32(key: counting(32), longer.span)
                == key32("3fb735061abc519dfe979e54c1ee5bfad0a9d858b3315bad34bde999efd724dd"))
        let empty: [UInt8] = []
        #expect(
            try BLAKE2s.mac32(key: counting(32), empty.span)
                == key32("48a8997da407876b3d79c0d92325ad3b89cbb754d86ab71aee047ad345fd2c49"))
    }

    @Test func `HMAC follows RFC 2104, long keys included`() throws {
        let message = Array("KubeMesh".utf8)
        #expect(
            BLAKE2s.hmac(key: Secret(counting(32)), message).bytes.hexadecimal
                == "416688856dd01bc2805edc6b3bf3f1b4c4b1c706b14b2149dfae45ac85b0e20a")
        #expect(
            BLAKE2s.hmac(key: Secret(counting(100)), message).bytes.hexadecimal
                == "a8c21fba4260c9da13579ee81aabeb4890aa2c4cff728384bb6d74a9b4a170f4")
    }

    @Test(arguments: [
        (
            counting(32, from: 32),
            [
                "6a96444e20e8d4c1cee974416acae1c10b3c92886010e54ed94dafb2c3b80ea0",
                "57af120b0de7acbe7907ec149c5ae870a2dbb74232b65777ba4123f1f7f888f5",
                "0926c7caabb6e8d73beda759e6f4f0d324ce5b5000bcf8cd784b26db3049faa9",
            ]
        ),
        (
            [],
            [
                "7a38c34bf2b8738d7374ca77c44ecb309a11d2b2528304fa86052c365e722624",
                "1a17621f346abdc520746a9fb64d8eb03231d674fc15687537b0780fd9c060fd",
                "4eaf02809ac4b930ef63479de62275f1c55656e61f78a3cc653c18a2223d6c5f",
            ]
        ),
    ])
    func `key derivation is HKDF, and one output is the prefix of three`(_ input: [UInt8], _ outputs: [String]) {
        let (key, input) = (Secret(counting(32)), Secret(input))
        let three = BLAKE2s.kdf3(key, input)
        #expect([three.0, three.1, three.2].map(\.bytes.hexadecimal) == outputs)
        let two = BLAKE2s.kdf2(key, input)
        #expect([two.0, two.1].map(\.bytes.hexadecimal) == Array(outputs[..<2]))
        #expect(BLAKE2s.kdf1(key, input).bytes.hexadecimal == outputs[0])
    }
}
