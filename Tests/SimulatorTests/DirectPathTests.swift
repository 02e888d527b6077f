import SansIO
import Simulator
import Testing
import Traversal

/// Direct paths that fail, and networks that change under them.
@Suite struct DirectPathTests {
    private let town = Town(seed: 8)

    private func settle(_ kind: Flow.Kind = .oneWay) -> Flow {
        town.add("relay")
        town.add("one", .portRestricted)
        town.add("two", .portRestricted)
        let flow = town.flow(kind, "one", "two", every: .milliseconds(10))
        town.run(.seconds(10))
        return flow
    }

    @Test func `a direct path that is silently cut is replaced by a relay within half a second`() {
        let flow = settle()
        #expect(town.path("one", "two")?.isDirect == true)
        let cut = town.now
        town.setBlocked("one", "two")
        town.run(.seconds(5))
        let gap = flow.longestGap(in: cut - .seconds(1)...town.now)
        #expect(gap <= .milliseconds(500), "\(gap)")
        #expect(town.path("one", "two")?.isDirect == false)
        town.setBlocked("one", "two", false)
        town.run(.seconds(60))
        #expect(town.path("one", "two")?.isDirect == true, "back when it works again")
    }

    @Test(arguments: [true, false]) func `a NAT that forgets or moves interrupts for a second at most`(
        _ isMoved: Bool
    ) throws {
        let flow = settle(.requests)
        let gateway = try #require(town.lastGateway)
        let change = town.now
        if isMoved {
            let address = town.simulation.fabric.address(of: gateway)
            town.simulation.fabric.setAddress(town.spareAddress(), of: gateway)
            #expect(town.simulation.fabric.address(of: gateway) != address)
        } else {
            town.simulation.fabric.rebind(gateway)
        }
        town.run(.seconds(20))
        let gap = flow.longestGap(in: change - .seconds(1)...town.now)
        #expect(gap <= .seconds(1), "\(gap)")
    }
}
