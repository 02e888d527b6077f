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

    @Test(arguments: 1...3) func `the move from a relay to the direct path overtakes nothing`(_ seed: UInt64) {
        let town = Town(seed: seed)
        town.add("relay", delay: .milliseconds(10))
        town.add("one", .portRestricted)
        town.add("two", .portRestricted)
        for name in ["one", "two"] {
            town.setLine(of: name, LineConditions(delay: .milliseconds(2), jitter: .milliseconds(3)))
        }
        let flows = [("one", "two"), ("two", "one")].map { town.flow(.oneWay, $0, $1, every: .milliseconds(5)) }
        town.run(.seconds(10))
        #expect(town.path("one", "two")?.isDirect == true && town.path("two", "one")?.isDirect == true)
        for flow in flows {
            #expect(flow.overtaken == 0 && flow.duplicates == 0)
            let first = flow.firstDelivery ?? town.now
            #expect(flow.lost(in: first...(town.now - .seconds(1))) == 0)
        }
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

    @Test(arguments: [true, false], [Flow.Kind.requests, .oneWay])
    func `a NAT that forgets or moves interrupts for a second at most`(_ isMoved: Bool, _ kind: Flow.Kind) throws {
        let flow = settle(kind)
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
