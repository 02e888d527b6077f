/// The message that carries a packet (WireGuard paper §5.4.6): type 4 and three zero bytes, receiver index (4) and
/// counter (8), all little-endian; then the sealed packet with its tag of 16 bytes.
package enum TransportMessage {
    package static let type: UInt8 = 4
    package static let headerSize = 16
    package static let tagSize = 16
    package static let overhead = headerSize + tagSize
    /// Packets are padded to a multiple of this.
    package static let paddingUnit = 16

    static func writeHeader(to bytes: PacketBytes, receiver: UInt32, counter: UInt64) {
        bytes.set(UInt32(type).byteSwapped, at: 0)
        bytes.set(receiver.byteSwapped, at: 4)
        bytes.set(counter.byteSwapped, at: 8)
    }

    static func isTransport(_ bytes: PacketBytes) -> Bool {
        bytes.count >= 4 && bytes.uint32(at: 0) == UInt32(type).byteSwapped
    }

    static func receiver(of bytes: PacketBytes) -> UInt32 { bytes.uint32(at: 4).byteSwapped }
    static func counter(of bytes: PacketBytes) -> UInt64 { bytes.uint64(at: 8).byteSwapped }

    /// The padded length of a packet; a path that takes no more than `mtu` bytes bounds it (paper §5.4.6).
    static func paddedLength(_ count: Int, mtu: Int) -> Int {
        let padded = (count &+ paddingUnit &- 1) & ~(paddingUnit &- 1)
        return max(count, min(padded, mtu))
    }
}
