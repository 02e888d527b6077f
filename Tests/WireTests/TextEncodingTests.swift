import Testing
import Wire

@Suite struct TextEncodingTests {
    // RFC 4648 §10.
    @Test(arguments: [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ])
    func `base64 follows the vectors of RFC 4648`(_ plain: String, _ encoded: String) {
        #expect(Array(plain.utf8).base64 == encoded)
        #expect([UInt8](base64: encoded) == Array(plain.utf8))
        let unpadded = encoded.filter { $0 != "=" }
        #expect(Array(plain.utf8).base64URL == unpadded)
        #expect([UInt8](base64URL: unpadded) == Array(plain.utf8))
    }

    @Test(arguments: ["Zg", "Zg=", "Zh==", "Z===", "Zm9v=", "Zm 9", "Zm9v\n"])
    func `base64 that is not canonical is refused`(_ text: String) {
        #expect([UInt8](base64: text) == nil)
    }

    @Test func `hexadecimal survives both cases and refuses odd lengths`() {
        #expect([UInt8](hexadecimal: "00fFa5") == [0, 255, 0xa5])
        #expect([0, 255, 0xa5].hexadecimal == "00ffa5")
        #expect([UInt8](hexadecimal: "0") == nil)
        #expect([UInt8](hexadecimal: "0x") == nil)
    }

    @Test func `thirty-two bytes keep their order and their value`() throws {
        let bytes = (0..<32).map { UInt8($0) }
        let value = try #require(Bytes32(bytes))
        #expect(value.bytes == bytes)
        #expect(Bytes32.zero < value)
        #expect(Bytes32(Array(bytes.dropLast())) == nil)
    }
}
