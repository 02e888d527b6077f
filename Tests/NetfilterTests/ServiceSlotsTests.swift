import SansIO
import Services
import Testing
import Wire

@testable import Netfilter

@Suite struct ServiceSlotsTests {
    private func backend(_ number: Int, weight: UInt16 = 1) -> ServicePlan.Backend {
        let address = IPv4Address(rawValue: 0x0af4_0000 + UInt32(number))
        return ServicePlan.Backend(.v4(address), port: 8080, weight: weight)
    }

    private func backends(_ numbers: some Sequence<Int>) -> [ServicePlan.Backend] { numbers.map { backend($0) } }

    /// How many slots differ, those past the end of the shorter included.
    private func differences(_ old: [ServiceTarget], _ new: [ServiceTarget]) -> Int {
        zip(old, new).filter { $0 != $1 }.count + abs(old.count - new.count)
    }

    @Test(arguments: [ServicePlan.Choice.random, .roundRobin])
    func `equal backends have one slot each, and an endpoint that goes costs two edits`(choice: ServicePlan.Choice) {
        let old = ServiceSlots.arrange(backends(0..<10), by: choice, keeping: [])
        #expect(old.count == 10 && Set(old).count == 10)
        for gone in 0..<10 {
            let new = ServiceSlots.arrange(backends((0..<10).filter { $0 != gone }), by: choice, keeping: old)
            #expect(new.count == 9 && Set(new).count == 9)
            #expect(differences(old, new) <= 2)
            let back = ServiceSlots.arrange(backends(0..<10), by: choice, keeping: new)
            #expect(Set(back) == Set(old) && differences(new, back) == 1)
        }
    }

    @Test func `any change keeps exactly the wanted slots and moves no more than it must`() {
        var random = SeededRandom(seed: 21)
        var slots: [ServiceTarget] = []
        for _ in 0..<2000 {
            let numbers = Set(
                (0..<Int.random(in: 0...12, using: &random)).map { _ in Int.random(in: 0..<12, using: &random) })
            let wanted = numbers.sorted().map { backend($0, weight: UInt16.random(in: 1...4, using: &random)) }
            let next = ServiceSlots.arrange(wanted, by: .random, keeping: slots)
            var counts: [ServiceTarget: Int] = [:]
            for target in next { counts[target, default: 0] += 1 }
            #expect(
                counts == Dictionary(uniqueKeysWithValues: ServiceSlots.counts(wanted).map { ($0.target, $0.count) }))
            #expect(ServiceSlots.arrange(wanted, by: .random, keeping: next) == next, "nothing changed, nothing moves")
            slots = next
        }
    }

    @Test func `an endpoint that is listed twice counts once`() {
        let doubled = [backend(1), backend(1), backend(2), backend(1)]
        #expect(ServiceSlots.arrange(doubled, by: .random, keeping: []).count == 2)
    }

    @Test func `weights are slots in lowest terms, and close to it where that is too many`() {
        let counts = ServiceSlots.counts([backend(1, weight: 300), backend(2, weight: 100), backend(3, weight: 200)])
        #expect(counts.map(\.count) == [3, 1, 2])
        let odd = ServiceSlots.counts([backend(1, weight: 997), backend(2, weight: 499), backend(3, weight: 1)])
        #expect(odd.map(\.count) == [170, 85, 1])
        #expect(ServiceSlots.counts([backend(1, weight: 0), backend(2, weight: 0)]).map(\.count) == [1, 1])
    }

    @Test func `weighted turns are spread out`() {
        let slots = ServiceSlots.arrange([backend(1, weight: 3), backend(2)], by: .roundRobin, keeping: [])
        #expect(slots.count == 4)
        let light = slots.firstIndex { $0.address == backend(2).address }
        #expect(light == 1 || light == 2, "not all turns of the heavy one in a row")
    }

    @Test func `of hashed clients only those of the endpoint that went move, and shares are even`() {
        let old = ServiceSlots.arrange(backends(0..<10), by: .sourceHash, keeping: [])
        #expect(old.count == ServiceSlots.hashedCount)
        for gone in 0..<10 {
            let target = ServiceTarget(backend(gone).address, 8080)
            let new = ServiceSlots.arrange(backends((0..<10).filter { $0 != gone }), by: .sourceHash, keeping: old)
            for (before, after) in zip(old, new) where before != target { #expect(before == after) }
            let share = old.filter { $0 == target }.count
            #expect((26...77).contains(share), "\(share) of 512 slots")
        }
    }

    @Test func `hashed clients follow weights`() {
        let slots = ServiceSlots.arrange([backend(1, weight: 3), backend(2)], by: .sourceHash, keeping: [])
        let heavy = slots.filter { $0.address == backend(1).address }.count
        #expect(abs(heavy - 384) < 40)
    }
}
