import Testing
import Traversal

@Suite struct PortAllocationTests {
    private func ports(_ pattern: NATPorts.Pattern, _ seen: ClosedRange<UInt16>, severalAddresses: Bool = false)
        -> NATPorts
    {
        NATPorts(
            pattern: pattern, lowest: seen.lowerBound, highest: seen.upperBound, sampleCount: 8,
            usesSeveralAddresses: severalAddresses)
    }

    @Test func `ports at random, or kept, tell nothing`() {
        #expect(PortAllocation(ports(.random, 2000...60_000), newest: nil) == .any)
        #expect(PortAllocation(ports(.preserved, 20_007...20_012), newest: nil) == .any)
        #expect(
            PortAllocation(ports(.block(sizeEstimate: 512), 2000...2400, severalAddresses: true), newest: nil) == .any)
    }

    @Test func `a block holds all that was seen of it, wherever it begins`() {
        #expect(PortAllocation(ports(.block(sizeEstimate: 1000), 3000...3800), newest: nil) == .block(2801...3999))
        #expect(PortAllocation(ports(.block(sizeEstimate: 2000), 1100...1500), newest: nil) == .block(1024...3099))
        #expect(
            PortAllocation(ports(.block(sizeEstimate: 2000), 65_000...65_500), newest: nil) == .block(63_501...65_535))
        #expect(
            PortAllocation(ports(.block(sizeEstimate: 9000), 3000...3800), newest: nil) == .any, "too large to help")
    }

    @Test func `ports in a row go on from the last one`() {
        #expect(
            PortAllocation(ports(.sequential(stride: 2), 4000...4010), newest: nil)
                == .sequential(last: 4010, stride: 2))
        #expect(
            PortAllocation(ports(.sequential(stride: -1), 4000...4010), newest: nil)
                == .sequential(last: 4000, stride: -1))
        #expect(
            PortAllocation(ports(.sequential(stride: 1), 4000...4010), newest: 4200)
                == .sequential(last: 4200, stride: 1))
        #expect(PortAllocation(ports(.sequential(stride: 500), 4000...9000), newest: nil) == .any)
    }
}
