import Crypto
package import Wire

/// The responder's side of a handshake (WireGuard paper §5.4.2 and §5.4.3), from the initiation to its response.
///
/// `HandshakeResponder.open` takes it as far as the initiator's static key, by which the node finds the peer; the peer's
/// `Tunnel.accept` does the rest.
package struct ReceivedInitiation: Sendable {
    /// The initiator's static key. Whoever sent it knew ours; that it is theirs is sure once the timestamp opens.
    package let publicKey: Bytes32
    /// The initiator's index for the session.
    let sender: UInt32
    private let ephemeral: Bytes32
    private let sealedTimestamp: [UInt8]
    private var state: SymmetricState

    init(opening message: InitiationMessage, with key: AgreementKey) throws(NoiseError) {
        var state = SymmetricState(responder: key.publicKey)
        state.mix(ephemeral: message.ephemeral)
        let opened: [UInt8]
        do throws(CryptoError) {
            let fieldKey = state.mixKeyForField(try key.sharedSecret(with: message.ephemeral))
            opened = try state.open(message.sealedStatic, key: fieldKey)
        } catch {
            throw error == .weakPublicKey ? .weakPublicKey : .authenticationFailed
        }
        guard let publicKey = Bytes32(opened) else { throw .authenticationFailed }
        self.publicKey = publicKey
        sender = message.sender
        ephemeral = message.ephemeral
        sealedTimestamp = message.sealedTimestamp
        self.state = state
    }

    /// The initiator's timestamp, which proves that it holds its static key.
    mutating func openTimestamp(staticSecret: Secret) throws(NoiseError) -> Timestamp {
        let fieldKey = state.mixKeyForField(staticSecret)
        do {
            let bytes = try state.open(sealedTimestamp, key: fieldKey)
            return try Timestamp(parsing: bytes.span)
        } catch {
            throw .authenticationFailed
        }
    }

    /// The response and the session it makes. Call it after `openTimestamp`.
    consuming func respond(
        localIndex: UInt32, ephemeral ours: AgreementKey, presharedKey: Secret
    ) throws(NoiseError) -> (ResponseMessage, SessionKeys) {
        do {
            state.mix(ephemeral: ours.publicKey)
            state.mixKey(try ours.sharedSecret(with: ephemeral))
            state.mixKey(try ours.sharedSecret(with: publicKey))
        } catch {
            throw .weakPublicKey
        }
        let fieldKey = state.mix(presharedKey: presharedKey)
        let message = ResponseMessage(
            sender: localIndex, receiver: sender, ephemeral: ours.publicKey,
            sealedNothing: state.seal([], key: fieldKey))
        let (receiveKey, sendKey) = state.split()
        let keys = SessionKeys(
            localIndex: localIndex, remoteIndex: sender, sendKey: sendKey, receiveKey: receiveKey)
        return (message, keys)
    }
}
