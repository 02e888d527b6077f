package import SansIO
import Synchronization

/// When packets passed through a tunnel, and how many: written by the packet threads, read by `Tunnel`'s timers.
///
/// The timers of the WireGuard paper §6.5 need two moments, each set by one direction and cleared by the other:
///
///     data sent ──▶ sets `unheardSince`         data received ──▶ sets `unansweredSince`
///     anything received ──▶ clears it           anything sent ──▶ clears it
///
/// A third, `silentSince`, is like `unheardSince` but only for packets of containers, not for what nodes say to each other: it is
/// what `PeerPaths` goes by. Frames of nodes end it when they came along the path in use, which only the control thread knows:
/// those along another path are no sign that packets get through.
///
/// The control thread looks at a moment only once it knows that it is set. The call that sets one unknown to it returns
/// `true`, and its caller owes the control thread the upcall `.active` (`Tunnel.wake`): steady traffic costs one in ten
/// seconds, when the timer looks and finds the moment cleared.
package final class Activity: Sendable {
    private static let never = UInt64.max

    private let sent = Atomic<UInt64>(never)
    private let dataSent = Atomic<UInt64>(never)
    private let received = Atomic<UInt64>(never)
    private let dataReceived = Atomic<UInt64>(never)
    private let packetPassed = Atomic<UInt64>(never)
    private let unheard = Wait()
    private let silence = Wait()
    private let unanswered = Wait()
    private let sentBytes = Atomic<UInt64>(0)
    private let sentPackets = Atomic<UInt64>(0)
    private let receivedBytes = Atomic<UInt64>(0)
    private let receivedPackets = Atomic<UInt64>(0)
    private let sentInner = Atomic<UInt64>(0)
    private let receivedInner = Atomic<UInt64>(0)

    package init() {}

    // MARK: reading

    /// The last message sent, handshake messages and keepalives included.
    package var lastSent: Instant? { Self.instant(sent) }
    package var lastDataSent: Instant? { Self.instant(dataSent) }
    /// The last packet of a container sent or received.
    package var lastPacket: Instant? { Self.instant(packetPassed) }
    /// The last authentic message received, handshake messages and keepalives included.
    package var lastReceived: Instant? { Self.instant(received) }
    package var lastDataReceived: Instant? { Self.instant(dataReceived) }
    /// The first data sent since anything was received.
    package var unheardSince: Instant? { unheard.since }
    /// The first data received since anything was sent.
    package var unansweredSince: Instant? { unanswered.since }
    /// Bytes of messages on the wire, without UDP and IP headers.
    package var bytesSent: UInt64 { sentBytes.load(ordering: .relaxed) }
    package var packetsSent: UInt64 { sentPackets.load(ordering: .relaxed) }
    package var bytesReceived: UInt64 { receivedBytes.load(ordering: .relaxed) }
    package var packetsReceived: UInt64 { receivedPackets.load(ordering: .relaxed) }
    /// Packets of containers alone: what one end has sent and the other has not received is lost, or under way.
    package var innerSent: UInt64 { sentInner.load(ordering: .relaxed) }
    package var innerReceived: UInt64 { receivedInner.load(ordering: .relaxed) }

    // MARK: the packet threads, once for each batch

    /// Notes that messages of this tunnel went out. Data is any transport message that is not empty; of nodes' own control frames
    /// the caller says that they are `isControl`.
    ///
    /// `true` when the control thread must be woken.
    package func noteSent(
        at now: Instant, packets: Int = 1, bytes: Int, isData: Bool, isControl: Bool = false
    ) -> Bool {
        sent.store(now.nanoseconds, ordering: .relaxed)
        sentBytes.add(UInt64(bytes), ordering: .relaxed)
        sentPackets.add(UInt64(packets), ordering: .relaxed)
        unanswered.end()
        guard isData else { return false }
        dataSent.store(now.nanoseconds, ordering: .relaxed)
        let isUnheard = unheard.begin(at: now)
        guard !isControl else { return isUnheard }
        sentInner.add(UInt64(packets), ordering: .relaxed)
        packetPassed.store(now.nanoseconds, ordering: .relaxed)
        let isSilent = silence.begin(at: now)
        return isUnheard || isSilent
    }

    /// Notes that authentic messages of this tunnel came in. Data is any transport message that is not empty; `isControl`: none of
    /// them held a packet of a container that may pass; `inner` of them held one that may or may not.
    ///
    /// `true` when the control thread must be woken.
    package func noteReceived(
        at now: Instant, packets: Int = 1, inner: Int = 0, bytes: Int, isData: Bool, isControl: Bool = false
    ) -> Bool {
        received.store(now.nanoseconds, ordering: .relaxed)
        receivedBytes.add(UInt64(bytes), ordering: .relaxed)
        receivedPackets.add(UInt64(packets), ordering: .relaxed)
        receivedInner.add(UInt64(inner), ordering: .relaxed)
        unheard.end()
        if !isControl { silence.end() }
        guard isData else { return false }
        dataReceived.store(now.nanoseconds, ordering: .relaxed)
        if !isControl { packetPassed.store(now.nanoseconds, ordering: .relaxed) }
        return unanswered.begin(at: now)
    }

    // MARK: the control thread

    /// Ends a wait whose timer has fired.
    func clearUnheard() { unheard.end() }
    func clearUnanswered() { unanswered.end() }

    /// Makes known which moments are set, before the control thread computes its next deadline from them.
    func watch() {
        unheard.watch()
        unanswered.watch()
    }

    /// A frame came along the path that packets take, or they take another one from now on.
    package func endSilence() { silence.end() }

    /// The first packet of a container sent since a sign of life along its path. When there is none, the next one is made known.
    package func watchSilence() -> Instant? {
        repeat {
            silence.watch()
            if let since = silence.since { return since }
            // It ended between the two: it must not count as known.
        } while silence.isKnown
        return nil
    }

    private static func instant(_ moment: borrowing Atomic<UInt64>) -> Instant? {
        let nanoseconds = moment.load(ordering: .relaxed)
        return nanoseconds == never ? nil : Instant(nanoseconds: nanoseconds)
    }
}

/// A moment that one direction sets and the other clears, and whether the control thread knows that it is set.
private struct Wait: ~Copyable {
    private static let never = UInt64.max

    private let start = Atomic<UInt64>(never)
    private let isWatched = Atomic<Bool>(false)

    var since: Instant? {
        let nanoseconds = start.load(ordering: .relaxed)
        return nanoseconds == Self.never ? nil : Instant(nanoseconds: nanoseconds)
    }

    /// `true` when this set the moment and the control thread does not know. The order of these two accesses against
    /// those of `watch` matters, hence sequential consistency.
    func begin(at now: Instant) -> Bool {
        guard start.load(ordering: .relaxed) == Self.never else { return false }
        start.store(now.nanoseconds, ordering: .sequentiallyConsistent)
        return !isWatched.exchange(true, ordering: .sequentiallyConsistent)
    }

    /// Whether the control thread counts as knowing that the moment is set.
    var isKnown: Bool { isWatched.load(ordering: .sequentiallyConsistent) }

    func end() {
        if start.load(ordering: .relaxed) != Self.never { start.store(Self.never, ordering: .relaxed) }
    }

    func watch() {
        isWatched.store(false, ordering: .sequentiallyConsistent)
        if start.load(ordering: .sequentiallyConsistent) != Self.never {
            isWatched.store(true, ordering: .sequentiallyConsistent)
        }
    }
}
