import Noise
import SansIO
import Testing

@Suite struct ReplayWindowTests {
    @Test func `a counter passes once`() {
        var window = ReplayWindow()
        for counter in [0, 1, 63, 64, 9000] as [UInt64] {
            #expect(window.accepts(counter))
            window.mark(counter)
            #expect(!window.accepts(counter))
        }
    }

    @Test func `counters may come late, up to the size of the window`() {
        var window = ReplayWindow()
        let greatest: UInt64 = 1_000_000
        window.mark(greatest)
        #expect(ReplayWindow.size >= 8128)
        #expect(window.accepts(greatest - ReplayWindow.size + 1))
        #expect(!window.accepts(greatest - ReplayWindow.size))
        #expect(!window.accepts(0))
        window.mark(greatest - ReplayWindow.size + 1)
        #expect(!window.accepts(greatest - ReplayWindow.size + 1))
        #expect(window.accepts(greatest - ReplayWindow.size + 2))
    }

    @Test func `counters at the reject limit are refused`() {
        var window = ReplayWindow()
        #expect(!window.accepts(.max))
        #expect(!window.accepts(ReplayWindow.counterLimit))
        let last = ReplayWindow.counterLimit - 1
        #expect(window.accepts(last))
        window.mark(last)
        #expect(!window.accepts(last))
        #expect(window.accepts(last - 1))
    }

    @Test(arguments: [1, 64, 200, 5000, 20_000] as [UInt64])
    func `the window agrees with a set of all counters seen`(_ stride: UInt64) {
        var random = SeededRandom(seed: stride)
        var window = ReplayWindow()
        var seen: Set<UInt64> = []
        var greatest: UInt64 = 0
        for _ in 0..<20_000 {
            let reach = greatest + UInt64.random(in: 0...stride, using: &random)
            let counter = reach - min(reach, UInt64.random(in: 0...(ReplayWindow.size + 100), using: &random))
            let isTooOld = !seen.isEmpty && counter <= greatest && greatest - counter >= ReplayWindow.size
            #expect(window.accepts(counter) == (!seen.contains(counter) && !isTooOld))
            guard window.accepts(counter) else { continue }
            window.mark(counter)
            seen.insert(counter)
            greatest = max(greatest, counter)
        }
    }
}
