import Crypto
import Noise
import SansIO
import Testing

@Suite struct KeypairTests {
    private func keypair(isInitiator: Bool, limits: Limits = .wireGuard, rekeyDelay: Duration = .zero) -> Keypair {
        Keypair(
            localIndex: 1, remoteIndex: 2, isInitiator: isInitiator, createdAt: .zero + .seconds(1000),
            sendKey: Secret(Array(repeating: 1, count: 32)), receiveKey: Secret(Array(repeating: 2, count: 32)),
            limits: limits, rekeyDelay: rekeyDelay)
    }

    private func age(_ seconds: Int) -> Instant { .zero + .seconds(1000 + seconds) }

    @Test func `the constants are those of the paper`() {
        let limits = Limits.wireGuard
        #expect(limits.rekeyAfterMessages == 1_152_921_504_606_846_976)
        #expect(limits.rejectAfterMessages == 18_446_744_073_709_543_423)
        #expect(limits.rekeyAfterTimeReceiving == .seconds(165))
        #expect(limits.newHandshakeTime == .seconds(15))
        #expect(limits.eraseAfterTime == .seconds(540))
    }

    @Test func `counters are handed out once each, up to the limit`() {
        var limits = Limits.wireGuard
        limits.rejectAfterMessages = 3
        let keypair = keypair(isInitiator: true, limits: limits)
        let counters = (0..<6).map { _ in keypair.takeCounter() }
        #expect(counters == [0, 1, 2, nil, nil, nil])
    }

    @Test func `counters are handed out once each to many threads`() async {
        let keypair = keypair(isInitiator: true)
        let counters = await withTaskGroup(of: [UInt64].self) { group in
            for _ in 0..<4 {
                group.addTask { (0..<5000).compactMap { _ in keypair.takeCounter() } }
            }
            return await group.reduce(into: []) { $0 += $1 }
        }
        #expect(counters.sorted() == Array(0..<20_000))
    }

    @Test func `a session is usable for three minutes`() {
        let keypair = keypair(isInitiator: false)
        #expect(keypair.isUsable(at: age(0)))
        #expect(keypair.isUsable(at: age(179)))
        #expect(!keypair.isUsable(at: age(180)))
    }

    @Test func `the initiator wants a new handshake once, by age or by count`() {
        let old = keypair(isInitiator: true)
        #expect([119, 120, 121].map { old.wantsRekeyAfterSending(0, at: age($0)) } == [false, true, false])
        let busy = keypair(isInitiator: true)
        #expect(!busy.wantsRekeyAfterSending((1 << 60) - 1, at: age(0)))
        #expect(busy.wantsRekeyAfterSending(1 << 60, at: age(0)))
        #expect(!busy.wantsRekeyAfterSending(1 << 60, at: age(0)))
        let quiet = keypair(isInitiator: true)
        #expect([164, 165, 166].map { quiet.wantsRekeyAfterReceiving(at: age($0)) } == [false, true, false])
        let delayed = keypair(isInitiator: true, rekeyDelay: .seconds(5))
        #expect([124, 125].map { delayed.wantsRekeyAfterSending(0, at: age($0)) } == [false, true])
    }

    @Test func `the responder leaves renewal to the initiator and is confirmed once`() {
        let keypair = keypair(isInitiator: false)
        #expect(!keypair.wantsRekeyAfterSending(1 << 61, at: age(179)))
        #expect(!keypair.wantsRekeyAfterReceiving(at: age(179)))
        let confirmations = (0..<3).map { _ in keypair.confirmsSession() }
        #expect(confirmations == [true, false, false])
        #expect(!self.keypair(isInitiator: true).confirmsSession())
    }
}
