import Crypto
import Testing

@Suite struct SecureRandomTests {
    @Test func `the same seed gives the same numbers, however they are taken`() {
        var one = SecureRandom(seed: Secret(Array(repeating: 1, count: 32)))
        var two = SecureRandom(seed: Secret(Array(repeating: 1, count: 32)))
        var other = SecureRandom(seed: Secret(Array(repeating: 2, count: 32)))
        let first = (0..<200).map { _ in one.next() }
        let second = (0..<200).map { _ in two.next() }
        let third = (0..<200).map { _ in other.next() }
        #expect(first == second)
        #expect(Set(first).isDisjoint(with: third))
        #expect(Set(first).count == 200)
    }

    @Test func `long draws cross refills without repeating`() {
        var random = SecureRandom(seed: Secret(Array(repeating: 3, count: 32)))
        let bytes = random.bytes(5000)
        #expect(bytes.count == 5000)
        let blocks = stride(from: 0, to: 4992, by: 32).map { Array(bytes[$0..<($0 + 32)]) }
        #expect(Set(blocks).count == blocks.count)
    }
}
