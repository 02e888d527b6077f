import Crypto
import Glibc
import Noise
import SansIO
import Wire

/// Initiators and one responder, in memory.
final class HandshakeLoad {
    private struct Initiator {
        var tunnel: Tunnel
        let publicKey: Bytes32
    }

    private let responderKey: AgreementKey
    private var door: HandshakeResponder
    private var initiators: [Initiator] = []
    private var tunnels: [Bytes32: Tunnel] = [:]
    private var timestamps = TimestampClock()
    private var random = SecureRandom(seed: Secret(Array(repeating: 1, count: 32)))
    private var now = Instant.zero
    private let source = Endpoint(.v4(IPv4Address(192, 0, 2, 1)), port: 51820)

    init(initiators count: Int) {
        responderKey = Self.key(&random)
        door = HandshakeResponder(
            key: responderKey, cookieSecret: random.secret(32), handshakeRate: 1_000_000, at: .zero)
        for _ in 0..<count {
            let key = Self.key(&random)
            guard let tunnel = try? Tunnel(key: key, peer: responderKey.publicKey),
                let answering = try? Tunnel(key: responderKey, peer: key.publicKey)
            else { preconditionFailure("a random key yields a secret") }
            initiators.append(Initiator(tunnel: tunnel, publicKey: key.publicKey))
            tunnels[key.publicKey] = answering
        }
    }

    /// Seconds to answer `count` initiations: checks, agreements, response, transport keys.
    func answer(_ count: Int) -> Double {
        let messages = (0..<count).map { initiation(from: $0 % initiators.count) }
        return seconds {
            for (index, message) in messages.enumerated() {
                now = now + .milliseconds(1)
                precondition(door.examine(message, from: source, at: now) == .accept)
                guard let initiation = try? door.open(message),
                    let actions = try? tunnels[initiation.publicKey]?.accept(
                        initiation, localIndex: UInt32(index), ephemeral: Self.key(&random), at: now)
                else { preconditionFailure("an honest initiation is accepted") }
                precondition(!actions.isEmpty)
            }
        }
    }

    /// Seconds to drop `count` initiations made by somebody who does not know the responder's key.
    func dropForgeries(_ count: Int) -> Double {
        var message = initiation(from: 0)
        message[120] ^= 1
        return seconds {
            for _ in 0..<count {
                precondition(door.examine(message, from: source, at: now) == .drop(.wrongMAC1))
            }
        }
    }

    /// Seconds to answer `count` initiations with a cookie reply each.
    func answerWithCookies(_ count: Int) -> Double {
        door = HandshakeResponder(key: responderKey, cookieSecret: random.secret(32), handshakeRate: 2, at: now)
        let message = initiation(from: 0)
        while !door.isUnderLoad(at: now) { _ = door.examine(message, from: source, at: now) }
        return seconds {
            for _ in 0..<count {
                guard case .reply = door.examine(message, from: source, at: now) else {
                    preconditionFailure("under load a cookie is asked for")
                }
            }
        }
    }

    private func initiation(from index: Int) -> [UInt8] {
        _ = initiators[index].tunnel.close()
        _ = initiators[index].tunnel.connect(at: now)
        let actions = initiators[index].tunnel.initiate(
            localIndex: UInt32(index), ephemeral: Self.key(&random), timestamp: timestamps.next(unixTime: .zero),
            at: now)
        for case .send(let message) in actions { return message }
        preconditionFailure("an initiation is sent")
    }

    private static func key(_ random: inout SecureRandom) -> AgreementKey {
        guard let key = try? AgreementKey(secret: random.secret(32)) else {
            preconditionFailure("32 bytes make a key")
        }
        return key
    }

    private func seconds(_ work: () -> Void) -> Double {
        let start = threadTime()
        work()
        return threadTime() - start
    }

    private func threadTime() -> Double {
        var time = timespec()
        unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }
}
