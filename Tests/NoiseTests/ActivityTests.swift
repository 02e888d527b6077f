import SansIO
import Testing

@testable import Noise

@Suite struct ActivityTests {
    private func second(_ count: Int) -> Instant { .zero + .seconds(count) }

    @Test func `nothing has happened at first, not even at time zero`() {
        let activity = Activity()
        #expect(activity.lastSent == nil)
        #expect(activity.lastReceived == nil)
        _ = activity.noteSent(at: .zero, bytes: 32, isData: false)
        #expect(activity.lastSent == .zero)
        #expect(activity.lastDataSent == nil)
    }

    @Test func `the first data sent is remembered until something is heard`() {
        let activity = Activity()
        _ = activity.noteSent(at: second(1), bytes: 32, isData: false)
        #expect(activity.unheardSince == nil)
        _ = activity.noteSent(at: second(2), packets: 3, bytes: 300, isData: true)
        _ = activity.noteSent(at: second(3), bytes: 100, isData: true)
        #expect(activity.unheardSince == second(2))
        #expect(activity.lastDataSent == second(3))
        #expect(activity.bytesSent == 432)
        #expect(activity.packetsSent == 5)
        _ = activity.noteReceived(at: second(4), bytes: 32, isData: false)
        #expect(activity.unheardSince == nil)
        #expect(activity.unansweredSince == nil)
    }

    @Test func `the first data received is remembered until something is sent`() {
        let activity = Activity()
        _ = activity.noteReceived(at: second(1), bytes: 132, isData: true)
        _ = activity.noteReceived(at: second(2), bytes: 132, isData: true)
        #expect(activity.unansweredSince == second(1))
        #expect(activity.bytesReceived == 264)
        #expect(activity.packetsReceived == 2)
        _ = activity.noteSent(at: second(3), bytes: 32, isData: false)
        #expect(activity.unansweredSince == nil)
    }

    @Test func `a silence is ended by packets of containers, and by frames only when the control thread says so`() {
        let activity = Activity()
        _ = activity.noteSent(at: second(1), bytes: 100, isData: true, isControl: true)
        #expect(activity.watchSilence() == nil)
        _ = activity.noteSent(at: second(2), packets: 2, bytes: 100, isData: true)
        _ = activity.noteReceived(at: second(3), bytes: 100, isData: true, isControl: true)
        #expect(activity.watchSilence() == second(2))
        activity.endSilence()
        #expect(activity.watchSilence() == nil)
        _ = activity.noteSent(at: second(4), bytes: 100, isData: true)
        #expect(activity.watchSilence() == second(4))
        _ = activity.noteReceived(at: second(5), packets: 3, inner: 2, bytes: 100, isData: true)
        #expect(activity.watchSilence() == nil)
        #expect(activity.innerSent == 3 && activity.innerReceived == 2)
    }

    @Test func `the control thread is woken once for each wait, and again after it looked and found none`() {
        let activity = Activity()
        let wakesForSending = (1...3).map { activity.noteSent(at: second($0), bytes: 100, isData: true) }
        #expect(wakesForSending == [true, false, false])
        activity.watch()
        let wakesForReceiving = (4...5).map { activity.noteReceived(at: second($0), bytes: 100, isData: true) }
        #expect(wakesForReceiving == [true, false])
        let wakesWhileKnown = activity.noteSent(at: second(6), bytes: 100, isData: true)
        #expect(!wakesWhileKnown)
        _ = activity.noteReceived(at: second(7), bytes: 32, isData: false)
        activity.watch()
        let wakesAfterQuiet = activity.noteSent(at: second(8), bytes: 100, isData: true)
        #expect(wakesAfterQuiet)
    }

    @Test func `a wait that begins while the control thread looks is never lost`() async {
        for _ in 0..<2000 {
            let activity = Activity()
            async let wakes = Task.detached { activity.noteSent(at: .zero, bytes: 100, isData: true) }.value
            activity.watch()
            let isKnown = activity.unheardSince != nil
            #expect(await wakes || isKnown)
        }
    }
}
