package import Crypto
package import SansIO
import Synchronization

/// The two keys of one session, made by one handshake (WireGuard paper §5.4.5), with all that sealing and opening needs.
///
/// Who may touch what, which is why `Sendable` is unchecked:
///
/// | member | thread |
/// |---|---|
/// | `sealer` | outbound packet thread |
/// | `opener`, `replay` | inbound packet thread |
/// | everything else | any |
///
/// A simulated node has one thread and uses them all. The keys are erased when the last reference is dropped.
package final class Keypair: @unchecked Sendable {
    /// Names the session in messages to us.
    package let localIndex: UInt32
    /// Names the session in messages to the peer.
    package let remoteIndex: UInt32
    /// Whether our handshake initiation made it: the initiator may send at once and renews it.
    package let isInitiator: Bool
    package let createdAt: Instant
    package let sendKey: Secret
    package let receiveKey: Secret
    package let sealer: PacketCipher
    package let opener: PacketCipher
    package var replay = ReplayWindow()

    private let limits: Limits
    private let rekeyAt: Instant
    private let nextCounter = Atomic<UInt64>(0)
    private let hasWantedRekey = Atomic<Bool>(false)
    private let hasReceived = Atomic<Bool>(false)

    /// `rekeyDelay` puts off the renewal by age, so that two initiators need not renew at once.
    /// Preconditions: the keys have 32 bytes.
    package init(
        localIndex: UInt32, remoteIndex: UInt32, isInitiator: Bool, createdAt: Instant, sendKey: Secret,
        receiveKey: Secret, limits: Limits = .wireGuard, rekeyDelay: Duration = .zero
    ) {
        self.localIndex = localIndex
        self.remoteIndex = remoteIndex
        self.isInitiator = isInitiator
        self.createdAt = createdAt
        self.sendKey = sendKey
        self.receiveKey = receiveKey
        sealer = PacketCipher(key: sendKey, direction: .sealing)
        opener = PacketCipher(key: receiveKey, direction: .opening)
        self.limits = limits
        rekeyAt = createdAt + limits.rekeyAfterTime + rekeyDelay
    }

    /// Whether the session is young enough to send and to receive on. What arrives for an older one is dropped; what
    /// would be sent on it waits for a new one.
    package func isUsable(at now: Instant) -> Bool { now < createdAt + limits.rejectAfterTime }

    /// Whether another message may be sealed: the session is usable and has counters left.
    package func canSend(at now: Instant) -> Bool {
        isUsable(at: now) && nextCounter.load(ordering: .relaxed) < limits.rejectAfterMessages
    }

    /// The counter of the next message to seal, each handed out once; `nil` when the session has no more.
    package func takeCounter() -> UInt64? {
        // Looked at first, so that calls past the end cannot run the counter around to zero.
        guard nextCounter.load(ordering: .relaxed) < limits.rejectAfterMessages else { return nil }
        let counter = nextCounter.add(1, ordering: .relaxed).oldValue
        return counter < limits.rejectAfterMessages ? counter : nil
    }

    /// Whether the message just sealed with `counter` makes a new handshake due. `true` once: upcall `.rekeyWanted`.
    package func wantsRekeyAfterSending(_ counter: UInt64, at now: Instant) -> Bool {
        guard isInitiator, now >= rekeyAt || counter >= limits.rekeyAfterMessages else { return false }
        return takeRekeyWish()
    }

    /// Whether the message just opened makes a new handshake due. `true` once: upcall `.rekeyWanted`.
    package func wantsRekeyAfterReceiving(at now: Instant) -> Bool {
        guard isInitiator, now >= createdAt + limits.rekeyAfterTimeReceiving else { return false }
        return takeRekeyWish()
    }

    /// Whether one of the two above has been `true`.
    var isRekeyDue: Bool { hasWantedRekey.load(ordering: .relaxed) }

    /// Notes an authentic message on a session that the peer initiated: only now is it sure that the peer has it.
    ///
    /// `true` once: the control thread must hear of it (`Tunnel.confirm`), since only then may the session be sent on.
    package func confirmsSession() -> Bool {
        guard !isInitiator, !hasReceived.load(ordering: .relaxed) else { return false }
        return !hasReceived.exchange(true, ordering: .relaxed)
    }

    private func takeRekeyWish() -> Bool {
        guard !hasWantedRekey.load(ordering: .relaxed) else { return false }
        return !hasWantedRekey.exchange(true, ordering: .relaxed)
    }
}
