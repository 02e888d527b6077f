import Crypto
import Identity
import Mesh
import SansIO
import Simulator
import Testing
import Wire

/// What comes from those who do not belong, or are not what they should be.
@Suite struct HostileNetworkTests {
    @Test func `copies of every kind change nothing for those who talk`() {
        let town = Town(seed: 11)
        for name in ["relay", "spare"] { town.add(name) }
        town.add("one", .symmetric)
        town.add("two", .symmetric)
        town.add("three", .portRestricted)
        town.simulation.mischief = Mischief(share: 0.5, seed: 5)
        let flows = [("one", "two"), ("two", "three"), ("three", "hub")].map {
            town.flow(.requests, $0.0, $0.1, every: .milliseconds(50))
        }
        town.run(.seconds(60))
        #expect(town.simulation.mischief.map(\.copies) ?? 0 > 3000)
        for flow in flows {
            #expect(flow.lost(in: flow.startedAt...(town.now - .seconds(1))) <= flow.sent / 100, "\(flow.number)")
            #expect(flow.duplicates == 0, "a copy never reaches a TUN")
        }
        // No copy of a dial-back, of an answer of a STUN server or of a member's words makes somebody what it is not.
        for name in ["one", "two", "three"] {
            #expect(!town[name].node.isReachable, "\(name)")
            let outside = Set(town[name].node.ownCandidates.filter { !$0.address.isPrivate }.map(\.address))
            #expect(outside.count <= 1, "\(name) has one address outside")
        }
        for name in ["hub", "relay", "spare"] { #expect(town[name].node.isReachable, "\(name)") }
    }

    @Test func `an outsider has nothing forwarded and nothing delivered`() throws {
        let town = Town(seed: 2)
        town.add("relay")
        town.add("one", .symmetric)
        town.add("two", .symmetric)
        _ = town.flow(.requests, "one", "two", every: .milliseconds(100))
        town.run(.seconds(5))

        // It knows the mesh secret and everybody's keys and addresses, and has a certificate of its own making.
        let elsewhere = Simulation(seed: 99)
        let stranger = elsewhere.createMesh("stranger", in: [])
        var identity = stranger.identity
        identity.secrets = town["hub"].identity.secrets
        var restored = Node.Restored()
        restored.bootstrap = ["hub", "relay"].map { name in
            JoinToken.Bootstrap(
                name: town[name].identity.name, tunnelKey: town[name].identity.tunnelKey.publicKey,
                endpoints: town.simulation.fabric.addresses(of: town[name].interfaces[0]).map {
                    Endpoint($0, port: 20_007)
                })
        }
        let outsider = town.simulation.addHost("stranger", identity, in: town.takeAddress(), restored: restored)
        outsider.isOutsider = true
        town.simulation.deny(outsider)
        // It repeats all that it hears on the wire as its own.
        town.simulation.isRecording = true
        let flow = town.simulation.startFlow(.requests, from: outsider, to: town["one"], every: .milliseconds(100))
        for _ in 0..<20 {
            town.run(.milliseconds(500))
            for target in ["hub", "relay"] {
                let address = town.simulation.fabric.addresses(of: town[target].interfaces[0])[0]
                let own = town.simulation.fabric.addresses(of: outsider.interfaces[0])[0]
                for bytes in town.simulation.datagrams.suffix(200) {
                    town.simulation.fabric.send(
                        bytes, from: Endpoint(own, port: 20_007), to: Endpoint(address, port: 20_007),
                        outOf: outsider.interfaces[0], by: outsider.index, at: town.now)
                }
            }
        }
        #expect(town["relay"].forwardedCount + town["hub"].forwardedCount > 100, "there was something to repeat")
        #expect(flow.delivered == 0 && town.simulation.violations == [])
    }

    @Test func `a host whose name was taken before it came is never talked to`() throws {
        let town = Town(seed: 4)
        town.add("relay")
        town.add("one")
        let token = try #require(town.simulation.token(from: town["hub"]))
        let impostor = town.simulation.join("one", with: token, in: town.takeAddress())
        town.simulation.deny(impostor)
        let flows = [town["hub"], town["relay"], town["one"]].flatMap { host in
            [
                town.simulation.startFlow(from: host, to: impostor, every: .milliseconds(100)),
                town.simulation.startFlow(from: impostor, to: host, every: .milliseconds(100)),
            ]
        }
        town.run(.seconds(20))
        #expect(flows.allSatisfy { $0.delivered == 0 } && town.simulation.violations == [])
    }

    @Test func `certificates that were not renewed end, and with them everything`() {
        let town = Town(seed: 6)
        town.add("relay")
        town.add("one")
        let flow = town.flow(.oneWay, "relay", "one", every: .seconds(1))
        town.run(.seconds(5))
        #expect(flow.delivered > 0)
        // Cut off while the others renew theirs.
        town.setLine(of: "one", .cut)
        town.simulation.skipCalendar(.seconds(300 * 86_400))
        town.run(.seconds(1300))
        town.simulation.skipCalendar(.seconds(70 * 86_400))
        town.run(.seconds(60))
        town.simulation.deny(town["one"])
        town.setLine(of: "one", LineConditions())
        let before = flow.delivered
        town.run(.seconds(60))
        #expect(flow.delivered == before && town.simulation.violations == [])
    }
}
