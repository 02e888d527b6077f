import Noise

extension [Tunnel.Action] {
    /// The messages to send, in order.
    var messages: [[UInt8]] {
        compactMap { if case .send(let message) = $0 { message } else { nil } }
    }

    var retired: [UInt32] {
        compactMap { if case .retire(let localIndex) = $0 { localIndex } else { nil } }
    }

    var installed: [Keypair] {
        compactMap { if case .install(let keypair) = $0 { keypair } else { nil } }
    }

    var used: [Keypair] {
        compactMap { if case .use(let keypair) = $0 { keypair } else { nil } }
    }

    var needsHandshake: Bool {
        contains { if case .needsHandshake = $0 { true } else { false } }
    }

    /// The packets that a failed attempt leaves; `nil` when none failed.
    var unsent: [[UInt8]]? {
        firstNonNil { if case .failed(let unsent) = $0 { unsent } else { nil } }
    }

    private func firstNonNil<Value>(_ transform: (Element) -> Value?) -> Value? {
        lazy.compactMap(transform).first
    }
}
