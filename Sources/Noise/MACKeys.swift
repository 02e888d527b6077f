import Crypto
package import Wire

/// The two keys that a receiver's public key gives everybody who knows it (WireGuard paper §5.4.4 and §5.4.7).
package struct MACKeys: Sendable {
    static let size = 16

    /// Makes mac1, which shows that the sender knows whom it writes to.
    private let mac1: [UInt8]
    /// Seals the cookies that this receiver gives out.
    let cookie: Secret

    package init(receiver publicKey: Bytes32) {
        mac1 = BLAKE2s.hash(Array("mac1----".utf8), publicKey.bytes).bytes
        cookie = Secret(BLAKE2s.hash(Array("cookie--".utf8), publicKey.bytes).bytes)
    }

    package func mac1(over body: Span<UInt8>) -> [UInt8] { BLAKE2s.mac16(key: mac1, body) }

    /// Whether the 16 bytes before the last 16 of `message` are the mac1 of what stands before them.
    package func hasValidMAC1(_ message: [UInt8]) -> Bool {
        let end = message.count - 2 * Self.size
        guard end >= 0 else { return false }
        return ConstantTime.isEqual(
            Self.mac1(of: message), mac1(over: message.span.extracting(0..<end)))
    }

    static func mac1(of message: [UInt8]) -> [UInt8] { Array(message.suffix(2 * size).prefix(size)) }

    /// Whether the last 16 bytes of `message` are the mac2 that `cookie` makes of what stands before them.
    static func hasValidMAC2(_ message: [UInt8], cookie: [UInt8]) -> Bool {
        let end = message.count - size
        return ConstantTime.isEqual(
            Array(message.suffix(size)), BLAKE2s.mac16(key: cookie, message.span.extracting(0..<end)))
    }
}
