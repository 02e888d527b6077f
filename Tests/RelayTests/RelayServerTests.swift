import Relay
import SansIO
import Testing

@Suite struct RelayServerTests {
    @Test func `a circuit carries both ways once the target has answered`() throws {
        var relay = RelayServer(mode: .on)
        relay.open(by: 1, replyID: 11, relayID: 101, target: 2, targetRelayID: 102, at: .zero)
        let offered = try #require(relay.circuit(102))
        #expect(offered.target.replyID == nil)
        let accepted = relay.accept(relayID: 102, by: 2, replyID: 22)
        let circuit = try #require(accepted)
        #expect(circuit.legs(from: 101)?.to.replyID == 22)
        #expect(circuit.legs(from: 102)?.to.replyID == 11)
        #expect(circuit.legs(from: 999) == nil)
    }

    @Test func `only the peer that was offered a circuit may accept it, and only its ends may close it`() {
        var relay = RelayServer(mode: .on)
        relay.open(by: 1, replyID: 11, relayID: 101, target: 2, targetRelayID: 102, at: .zero)
        let acceptances = [
            relay.accept(relayID: 102, by: 3, replyID: 33), relay.accept(relayID: 101, by: 1, replyID: 33),
        ]
        #expect(acceptances == [nil, nil])
        var closed = relay.close(102, by: 3)
        #expect(closed == nil)
        closed = relay.close(102, by: 2)
        #expect(closed?.opener.peer == 1)
        #expect(relay.circuit(101) == nil)
        #expect(relay.circuit(102) == nil)
    }

    @Test func `a circuit whose target does not answer is closed and counts no longer`() {
        var limits = RelayServer.Limits()
        limits.circuitsPerPeer = 2
        var relay = RelayServer(limits: limits, mode: .on)
        relay.open(by: 1, replyID: 11, relayID: 101, target: 2, targetRelayID: 201, at: .zero)
        relay.open(by: 1, replyID: 12, relayID: 102, target: 2, targetRelayID: 202, at: .zero + .seconds(5))
        let accepted = relay.accept(relayID: 202, by: 2, replyID: 22)
        #expect(accepted != nil)
        #expect(relay.refusal(for: 1) == .tooManyCircuits)
        let early = relay.closeUnanswered(openedBefore: .zero)
        #expect(early.map(\.opener.relayID) == [101])
        let late = relay.closeUnanswered(openedBefore: .zero + .seconds(60))
        #expect(late.isEmpty, "an answered circuit stays")
        #expect(relay.refusal(for: 1) == nil)
    }

    @Test func `circuits are bounded per peer and in all, and refused when relaying is off`() {
        var limits = RelayServer.Limits()
        limits.circuitsPerPeer = 2
        limits.circuits = 3
        var relay = RelayServer(limits: limits, mode: .on)
        for number in 0..<2 as Range<UInt64> {
            relay.open(
                by: 1, replyID: 10 + number, relayID: 100 + number, target: 2, targetRelayID: 200 + number, at: .zero)
        }
        #expect(relay.refusal(for: 1) == .tooManyCircuits)
        #expect(relay.refusal(for: 3) == nil)
        relay.open(by: 3, replyID: 12, relayID: 102, target: 2, targetRelayID: 202, at: .zero)
        #expect(relay.refusal(for: 4) == .tooManyCircuits)
        let gone = relay.removePeer(1)
        #expect(gone.map(\.opener.relayID) == [100, 101])
        #expect(relay.refusal(for: 1) == nil)
        #expect(relay.circuitCount == 1)
        relay.mode = .off
        #expect(relay.refusal(for: 1) == .relayingIsOff)
    }
}
