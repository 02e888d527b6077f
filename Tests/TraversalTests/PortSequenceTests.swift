import SansIO
import Testing
import Traversal

@Suite struct PortSequenceTests {
    private func all(_ allocation: PortAllocation, seed: UInt64 = 1) -> [UInt16] {
        var random = SeededRandom(seed: seed)
        var sequence = PortSequence(allocation, using: &random)
        var ports: [UInt16] = []
        while let port = sequence.next() { ports.append(port) }
        return ports
    }

    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func `every port is named once`(seed: UInt64) {
        let ports = all(.any, seed: seed)
        #expect(ports.count == 64_512)
        #expect(Set(ports) == Set(1024...65_535))
    }

    @Test func `a block is named twice before anything else`() {
        let ports = all(.block(2000...2999))
        #expect(Set(ports.prefix(1000)) == Set(2000...2999))
        #expect(Set(ports[1000..<2000]) == Set(2000...2999))
        #expect(Set(ports).count == 64_512)
    }

    @Test func `ports in a row begin behind the last one seen, and go around at the end`() {
        #expect(all(.sequential(last: 40_000, stride: 2)).prefix(3) == [40_002, 40_004, 40_006])
        #expect(all(.sequential(last: 65_534, stride: 1)).prefix(3) == [65_535, 1024, 1025])
        #expect(all(.sequential(last: 1025, stride: -1)).prefix(3) == [1024, 65_535, 65_534])
    }
}
