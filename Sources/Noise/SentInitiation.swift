import Crypto
import Wire

/// Keys and indices that a finished handshake leaves.
struct SessionKeys {
    var localIndex: UInt32
    var remoteIndex: UInt32
    var sendKey: Secret
    var receiveKey: Secret
}

/// The initiator's side of a handshake (WireGuard paper §5.4.2 and §5.4.3), from its message to the response.
struct SentInitiation: Sendable {
    let message: InitiationMessage
    private let key: AgreementKey
    private let ephemeral: AgreementKey
    private let state: SymmetricState

    /// `staticSecret` is the agreement of the two static keys, computed once for a peer.
    init(
        from key: AgreementKey, to peer: Bytes32, staticSecret: Secret, localIndex: UInt32, ephemeral: AgreementKey,
        timestamp: Timestamp
    ) throws(CryptoError) {
        var state = SymmetricState(responder: peer)
        state.mix(ephemeral: ephemeral.publicKey)
        let staticKey = state.mixKeyForField(try ephemeral.sharedSecret(with: peer))
        let sealedStatic = state.seal(key.publicKey.bytes, key: staticKey)
        let timestampKey = state.mixKeyForField(staticSecret)
        let sealedTimestamp = state.seal(timestamp.bytes, key: timestampKey)
        message = InitiationMessage(
            sender: localIndex, ephemeral: ephemeral.publicKey, sealedStatic: sealedStatic,
            sealedTimestamp: sealedTimestamp)
        self.key = key
        self.ephemeral = ephemeral
        self.state = state
    }

    /// The session that `response` makes with the first of the preshared keys that opens it.
    func open(_ response: ResponseMessage, presharedKeys: PresharedKeys) throws(NoiseError) -> SessionKeys {
        guard response.receiver == message.sender else { throw .unknownIndex }
        var state = state
        do {
            state.mix(ephemeral: response.ephemeral)
            state.mixKey(try ephemeral.sharedSecret(with: response.ephemeral))
            state.mixKey(try key.sharedSecret(with: response.ephemeral))
        } catch {
            throw .weakPublicKey
        }
        for presharedKey in presharedKeys.candidates {
            var trial = state
            let fieldKey = trial.mix(presharedKey: presharedKey)
            do {
                guard try trial.open(response.sealedNothing, key: fieldKey).isEmpty else { continue }
            } catch {
                continue
            }
            let (sendKey, receiveKey) = trial.split()
            return SessionKeys(
                localIndex: message.sender, remoteIndex: response.sender, sendKey: sendKey, receiveKey: receiveKey)
        }
        throw .authenticationFailed
    }
}
