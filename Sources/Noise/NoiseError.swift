package import Wire

/// Why a message of the tunnel protocol was dropped. All but the malformed ones are ordinary on a hostile network.
package enum NoiseError: Error, Equatable, Sendable {
    case malformed(WireError)
    /// mac1 is not made with our public key: the sender does not know us.
    case wrongMAC1
    /// The receiver index names no session or handshake of ours.
    case unknownIndex
    /// A sealed field does not open: altered, for somebody else, or with another preshared key.
    case authenticationFailed
    /// A public key that yields no secret.
    case weakPublicKey
    /// The static key in the initiation is not the peer's.
    case otherPeer
    /// The initiation's timestamp is not greater than the last one accepted.
    case replayedInitiation
    /// Another initiation of the peer was accepted just before.
    case tooManyInitiations
    /// A cookie for a message we did not send, or the second one for the same message.
    case unexpectedCookie
    /// The counter was seen before, or is older than the window.
    case replayedPacket
    /// The session is too old to receive on.
    case expiredSession
}
