import Crypto
import Testing

@Suite struct SecretTests {
    @Test func `secrets are equal when every byte is`() {
        #expect(Secret([1, 2, 3]) == Secret([1, 2, 3]))
        #expect(Secret([1, 2, 3]) != Secret([1, 2, 4]))
        #expect(Secret([1, 2, 3]) != Secret([1, 2]))
        #expect(Secret([]) == Secret([]))
        #expect(Secret(counting(40)).bytes == counting(40))
    }

    @Test func `constant-time comparison agrees with ordinary comparison at every position`() {
        let bytes = counting(64)
        #expect(ConstantTime.isEqual(bytes, bytes))
        #expect(!ConstantTime.isEqual(bytes, Array(bytes.dropLast())))
        for index in bytes.indices {
            var altered = bytes
            altered[index] ^= 0x80
            #expect(!ConstantTime.isEqual(bytes, altered))
        }
    }
}
