import Crypto
import SansIO
import Testing

@testable import Noise

@Suite struct SessionKeypairsTests {
    private func keypair(_ localIndex: UInt32, isInitiator: Bool) -> Keypair {
        let key = Secret(Array(repeating: 1, count: 32))
        return Keypair(
            localIndex: localIndex, remoteIndex: 0, isInitiator: isInitiator, createdAt: .zero, sendKey: key,
            receiveKey: key)
    }

    private func indices(_ keypairs: [Keypair]) -> [UInt32] { keypairs.map(\.localIndex) }

    @Test func `our sessions are used at once, and two before them are still received on`() {
        var sessions = SessionKeypairs()
        let displaced = (1...4).map { indices(sessions.use(keypair($0, isInitiator: true))) }
        #expect(displaced == [[], [], [], [1]])
        #expect(sessions.current?.localIndex == 4)
        #expect(indices(sessions.previous) == [3, 2])
    }

    @Test func `the peer's sessions are held until confirmed, and a second one takes the place of the first`() {
        var sessions = SessionKeypairs()
        _ = sessions.use(keypair(1, isInitiator: true))
        _ = sessions.hold(keypair(2, isInitiator: false))
        let displaced = indices(sessions.hold(keypair(3, isInitiator: false)))
        #expect(displaced == [2])
        #expect(sessions.current?.localIndex == 1)
        let unknown = sessions.confirm(localIndex: 2)
        #expect(unknown == nil)
        let confirmed = sessions.confirm(localIndex: 3)
        #expect(confirmed?.confirmed.localIndex == 3)
        #expect(sessions.current?.localIndex == 3)
        #expect(sessions.next == nil)
        #expect(indices(sessions.previous) == [1])
    }

    @Test func `when both sides renew at once nothing that may be in flight is dropped`() {
        var sessions = SessionKeypairs()
        _ = sessions.use(keypair(1, isInitiator: true))
        _ = sessions.hold(keypair(2, isInitiator: false))
        let displaced = indices(sessions.use(keypair(3, isInitiator: true)))
        #expect(displaced.isEmpty)
        #expect(indices(sessions.all) == [3, 2, 1])
        let removed = indices(sessions.removeAll())
        #expect(removed == [3, 2, 1])
        #expect(sessions.all.isEmpty)
    }
}
