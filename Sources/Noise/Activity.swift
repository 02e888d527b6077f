package import SansIO
import Synchronization

/// When packets passed through a tunnel, and how many: written by the packet threads, read by `Tunnel`'s timers.
///
/// The timers of the WireGuard paper §6.5 need two moments, each set by one direction and cleared by the other:
///
///     data sent ──▶ sets `unheardSince`         data received ──▶ sets `unansweredSince`
///     anything received ──▶ clears it           anything sent ──▶ clears it
///
/// While neither is set the control thread does not look. The call that sets one of them then returns `true`, and its
/// caller owes the control thread the upcall `.active` (`Tunnel.wake`).
package final class Activity: Sendable {
    private static let never = UInt64.max

    private let sent = Atomic<UInt64>(never)
    private let dataSent = Atomic<UInt64>(never)
    private let received = Atomic<UInt64>(never)
    private let dataReceived = Atomic<UInt64>(never)
    private let unheard = Atomic<UInt64>(never)
    private let unanswered = Atomic<UInt64>(never)
    private let isWatched = Atomic<Bool>(false)
    private let sentBytes = Atomic<UInt64>(0)
    private let sentPackets = Atomic<UInt64>(0)
    private let receivedBytes = Atomic<UInt64>(0)
    private let receivedPackets = Atomic<UInt64>(0)

    package init() {}

    // MARK: reading

    /// The last message sent, handshake messages and keepalives included.
    package var lastSent: Instant? { Self.instant(sent) }
    package var lastDataSent: Instant? { Self.instant(dataSent) }
    /// The last authentic message received, handshake messages and keepalives included.
    package var lastReceived: Instant? { Self.instant(received) }
    package var lastDataReceived: Instant? { Self.instant(dataReceived) }
    /// The first data sent since anything was received.
    package var unheardSince: Instant? { Self.instant(unheard) }
    /// The first data received since anything was sent.
    package var unansweredSince: Instant? { Self.instant(unanswered) }
    /// Bytes of messages on the wire, without UDP and IP headers.
    package var bytesSent: UInt64 { sentBytes.load(ordering: .relaxed) }
    package var packetsSent: UInt64 { sentPackets.load(ordering: .relaxed) }
    package var bytesReceived: UInt64 { receivedBytes.load(ordering: .relaxed) }
    package var packetsReceived: UInt64 { receivedPackets.load(ordering: .relaxed) }

    // MARK: the packet threads, once for each batch

    /// Notes that messages of this tunnel went out. Data is any transport message that is not empty.
    ///
    /// `true` when the control thread must be woken.
    package func noteSent(at now: Instant, packets: Int = 1, bytes: Int, isData: Bool) -> Bool {
        sent.store(now.nanoseconds, ordering: .relaxed)
        sentBytes.add(UInt64(bytes), ordering: .relaxed)
        sentPackets.add(UInt64(packets), ordering: .relaxed)
        Self.clear(unanswered)
        guard isData else { return false }
        dataSent.store(now.nanoseconds, ordering: .relaxed)
        return begin(unheard, at: now)
    }

    /// Notes that authentic messages of this tunnel came in. Data is any transport message that is not empty.
    ///
    /// `true` when the control thread must be woken.
    package func noteReceived(at now: Instant, packets: Int = 1, bytes: Int, isData: Bool) -> Bool {
        received.store(now.nanoseconds, ordering: .relaxed)
        receivedBytes.add(UInt64(bytes), ordering: .relaxed)
        receivedPackets.add(UInt64(packets), ordering: .relaxed)
        Self.clear(unheard)
        guard isData else { return false }
        dataReceived.store(now.nanoseconds, ordering: .relaxed)
        return begin(unanswered, at: now)
    }

    // MARK: the control thread

    /// Ends a wait whose timer has fired.
    func clearUnheard() { Self.clear(unheard) }
    func clearUnanswered() { Self.clear(unanswered) }

    /// Says whether the control thread will look at both waits by itself, and returns whether it has to: a wait that
    /// began while it stopped looking must not be lost.
    ///
    /// Here the order of the flag and the waits matters, so these accesses are sequentially consistent.
    func watchIfWaiting() -> Bool {
        isWatched.store(false, ordering: .sequentiallyConsistent)
        let isWaiting =
            unheard.load(ordering: .sequentiallyConsistent) != Self.never
            || unanswered.load(ordering: .sequentiallyConsistent) != Self.never
        if isWaiting { isWatched.store(true, ordering: .sequentiallyConsistent) }
        return isWaiting
    }

    private func begin(_ wait: borrowing Atomic<UInt64>, at now: Instant) -> Bool {
        guard wait.load(ordering: .relaxed) == Self.never else { return false }
        wait.store(now.nanoseconds, ordering: .sequentiallyConsistent)
        return !isWatched.exchange(true, ordering: .sequentiallyConsistent)
    }

    private static func clear(_ wait: borrowing Atomic<UInt64>) {
        if wait.load(ordering: .relaxed) != never { wait.store(never, ordering: .relaxed) }
    }

    private static func instant(_ moment: borrowing Atomic<UInt64>) -> Instant? {
        let nanoseconds = moment.load(ordering: .relaxed)
        return nanoseconds == never ? nil : Instant(nanoseconds: nanoseconds)
    }
}
