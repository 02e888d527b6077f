import Datapath
import Linux
import PacketIO
import Testing
import Traversal
import Wire

struct UpcallMailboxTests {
    private let mailbox: UpcallMailbox
    private let readiness: ReadinessSet

    init() throws {
        mailbox = try UpcallMailbox()
        readiness = try ReadinessSet()
        try readiness.add(mailbox.wakeUp.descriptor, token: 0)
    }

    private func isSignalled() -> Bool {
        var events: [ReadinessSet.Event] = []
        readiness.wait(&events, milliseconds: 0)
        return !events.isEmpty
    }

    @Test func `upcalls are taken in order, and the signal tells whether there are any`() {
        #expect(!isSignalled())
        #expect(mailbox.post([]) == 0)
        #expect(!isSignalled())
        #expect(mailbox.post([.active(peer: 1)]) == 0)
        #expect(mailbox.post([.active(peer: 2), .rekeyWanted(peer: 1)]) == 0)
        #expect(isSignalled())
        #expect(mailbox.takeAll() == [.active(peer: 1), .active(peer: 2), .rekeyWanted(peer: 1)])
        #expect(!isSignalled())
        #expect(mailbox.takeAll().isEmpty)
        #expect(mailbox.post([.active(peer: 3)]) == 0)
        #expect(isSignalled())
    }

    @Test func `it holds so many upcalls and no more`() {
        let upcalls = Array(repeating: Upcall.active(peer: 0), count: UpcallMailbox.countLimit + 5)
        #expect(mailbox.post(upcalls) == 5)
        #expect(mailbox.takeAll().count == UpcallMailbox.countLimit)
        #expect(mailbox.post([.active(peer: 0)]) == 0)
    }

    @Test func `it holds so many bytes and no more, and small upcalls still find room`() {
        let large = Upcall.unsealed(packet: Array(repeating: 0, count: 60_000), peer: 0)
        #expect(mailbox.post(Array(repeating: large, count: 100)) == 100 - UpcallMailbox.byteLimit / 60_000)
        #expect(mailbox.post([.active(peer: 0)]) == 0)
    }

    @Test func `a flood of strangers' datagrams leaves room for what sessions depend on`() {
        let stranger = Upcall.datagram([1], origin: Origin(.relayed(circuit: 1)))
        let flood = Array(repeating: stranger, count: UpcallMailbox.countLimit)
        #expect(mailbox.post(flood) == UpcallMailbox.countLimit - UpcallMailbox.strangerLimit)
        let peer = Upcall.datagram([2], origin: Origin(.relayed(circuit: 1)), from: .peer)
        let newcomer = Upcall.datagram([2], origin: Origin(.relayed(circuit: 1)), from: .newcomer)
        let newcomers = Array(repeating: newcomer, count: UpcallMailbox.countLimit)
        let room = UpcallMailbox.replaceableLimit - UpcallMailbox.strangerLimit
        #expect(mailbox.post(newcomers) == UpcallMailbox.countLimit - room)
        #expect(mailbox.post([peer, .confirmed(peer: 1, receiver: 2), .active(peer: 1)]) == 0)
        #expect(mailbox.takeAll().last == .active(peer: 1))
    }

    @Test func `a flood of one member's control frames leaves room for what sessions depend on`() {
        let control = Upcall.control(frame: [2], peer: 1, origin: Origin(.relayed(circuit: 1)))
        let flood = Array(repeating: control, count: UpcallMailbox.countLimit)
        #expect(mailbox.post(flood) == UpcallMailbox.countLimit - UpcallMailbox.peerLimit)
        #expect(mailbox.post([.confirmed(peer: 2, receiver: 2), .active(peer: 2), .linkClosed(3)]) == 0)
        #expect(mailbox.takeAll().last == .linkClosed(3))
    }
}
