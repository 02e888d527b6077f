import SansIO
import Simulator
import Testing
import Traversal

/// Who reaches whom, and how, through every kind of NAT.
@Suite struct ConnectivityTests {
    @Test(arguments: Dwelling.allCases) func `a host at any site talks to hosts at all kinds of sites`(
        _ dwelling: Dwelling
    ) {
        let town = Town(seed: 3)
        town.add("relay")
        town.add("subject", dwelling)
        var flows: [Flow] = []
        for other in Dwelling.allCases {
            let name = other.rawValue.lowercased()
            town.add(name, other)
            flows.append(town.flow(.requests, "subject", name, every: .milliseconds(500)))
        }
        town.run(.seconds(12))
        for flow in flows {
            let receiver = town.simulation.hosts[flow.receiver].name
            #expect(flow.firstDelivery != nil, "\(dwelling) to \(receiver), seed \(town.simulation.seed)")
            let end = town.now - .seconds(1)
            #expect(flow.lost(in: end - .seconds(5)...end) == 0, "\(dwelling) to \(receiver)")
        }
        #expect(town.simulation.violations == [])
    }

    @Test func `hosts behind one NAT that does not hairpin talk to each other`() throws {
        let town = Town()
        let simulation = town.simulation
        var settlement = Settlement()
        for _ in 0..<50 { _ = settlement.takeAddress() }
        let places = settlement.settle(.symmetric, in: &simulation.fabric, neighbours: 1)
        let token = try #require(simulation.token(from: town["hub"]))
        let left = simulation.join("left", with: token, in: [places[0]])
        let right = simulation.join("right", with: token, in: [places[1]])
        town.run(.seconds(2))
        let flow = simulation.startFlow(.requests, from: left, to: right, every: .milliseconds(100))
        town.run(.seconds(10))
        #expect(flow.delivered >= flow.sent - 1)
        #expect(simulation.path(from: left, to: right)?.isDirect == true)
    }

    @Test func `a host that dies and one that starts anew with its disk are as before within seconds`() {
        let town = Town()
        town.add("relay")
        town.add("one", .symmetric)
        town.add("two", .portRestricted)
        let flow = town.flow(.requests, "one", "two", every: .milliseconds(100))
        town.run(.seconds(5))
        town.simulation.kill(town["two"])
        town.run(.seconds(10))
        town.simulation.restart(town["two"])
        town.run(.seconds(10))
        let end = town.now - .seconds(1)
        #expect(flow.lost(in: end - .seconds(4)...end) == 0)
    }

    @Test func `a host that was suspended for a minute goes on`() {
        let town = Town()
        town.add("relay")
        town.add("one", .portRestricted)
        town.add("two", .portRestricted)
        let flow = town.flow(.requests, "one", "two", every: .milliseconds(100))
        town.run(.seconds(10))
        town.simulation.suspend(town["two"])
        town.run(.seconds(60))
        let before = town.simulation.fabric.counters.sent
        town.simulation.resume(town["two"])
        town.run(.seconds(1))
        // Each batch that waited in the sockets is read before a timer is served: none may start all probes anew.
        #expect(town.simulation.fabric.counters.sent - before < 1000)
        town.run(.seconds(14))
        let end = town.now - .seconds(1)
        #expect(flow.lost(in: end - .seconds(5)...end) == 0)
    }

    @Test func `wall clocks that jump stop nothing`() {
        let town = Town()
        town.add("relay")
        town.add("one", .home)
        town.add("two", .symmetric)
        let flow = town.flow(.requests, "one", "two", every: .seconds(1))
        town.run(.seconds(5))
        for (name, jump) in [("one", 86_400), ("two", -86_400), ("relay", 3_600), ("hub", -7_200)] {
            town.simulation.jumpClock(of: town[name], by: .seconds(jump))
            town.run(.seconds(140))
        }
        let start = town.now - .seconds(500)
        #expect(flow.lost(in: start...(town.now - .seconds(1))) <= 2, "sessions were renewed meanwhile")
    }
}
