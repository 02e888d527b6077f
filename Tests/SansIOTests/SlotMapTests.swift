import SansIO
import Testing

@Suite struct SlotMapTests {
    @Test(arguments: [32, 64])
    func `an identifier finds its value until it is removed, and never again`(_ bits: Int) throws {
        var random = SeededRandom(seed: 3)
        var map = SlotMap<String>(limit: 4, identifierBits: bits)
        let first = try #require(map.insert("a", using: &random))
        #expect(map[first] == "a")
        #expect(bits == 64 || first <= UInt64(UInt32.max))
        map[first] = nil
        let second = try #require(map.insert("b", using: &random))
        #expect(second & 0xffff == first & 0xffff, "the slot is used again")
        #expect(map[first] == nil)
        map[first] = "stale"
        #expect(map[second] == "b")
    }

    @Test func `a full map refuses, and takes again after a removal`() throws {
        var random = SeededRandom(seed: 4)
        var map = SlotMap<Int>(limit: 2, identifierBits: 32)
        let first = try #require(map.insert(1, using: &random))
        _ = map.insert(2, using: &random)
        var refused = map.insert(3, using: &random)
        #expect(refused == nil)
        map[first] = nil
        refused = map.insert(3, using: &random)
        #expect(refused != nil)
        #expect(map.entries.map(\.value) == [3, 2])
        #expect(map.count == 2)
    }
}
