/// The ten bytes before every packet of a TUN opened with IFF_VNET_HDR (virtio 1.2 §5.1.6), in the host's byte order:
/// flags (1), gso type (1), header length (2), gso size (2), checksum start (2), checksum offset (2).
///
/// The header length is not trusted: what it should say follows from the packet.
package struct VirtioHeader: Equatable, Sendable {
    /// How the packet is to be cut.
    package enum Segmentation: UInt8, Sendable {
        case none = 0
        case tcp4 = 1
        case tcp6 = 4
        case udp = 5
    }

    package static let size = 10
    private static let needsChecksumFlag: UInt8 = 1
    /// Set beside the type when CWR is to stand on the first segment alone.
    private static let congestionBit: UInt8 = 0x80

    package var segmentation: Segmentation
    /// Whether the checksum field at `checksumStart + checksumOffset` holds only the pseudo-header's sum.
    package var needsChecksum: Bool
    package var headerLength: UInt16
    /// Payload bytes of each segment.
    package var segmentSize: UInt16
    package var checksumStart: UInt16
    package var checksumOffset: UInt16

    package static let plain = VirtioHeader(segmentation: .none, needsChecksum: false)

    package init(
        segmentation: Segmentation, needsChecksum: Bool, headerLength: UInt16 = 0, segmentSize: UInt16 = 0,
        checksumStart: UInt16 = 0, checksumOffset: UInt16 = 0
    ) {
        self.segmentation = segmentation
        self.needsChecksum = needsChecksum
        self.headerLength = headerLength
        self.segmentSize = segmentSize
        self.checksumStart = checksumStart
        self.checksumOffset = checksumOffset
    }

    /// `nil` when the bytes are too few or the kind of segmentation is unknown.
    package init?(parsing bytes: PacketBytes) {
        guard bytes.count >= Self.size, let segmentation = Segmentation(rawValue: bytes[1] & ~Self.congestionBit)
        else { return nil }
        self.segmentation = segmentation
        needsChecksum = bytes[0] & Self.needsChecksumFlag != 0
        headerLength = bytes.word16(at: 2)
        segmentSize = bytes.word16(at: 4)
        checksumStart = bytes.word16(at: 6)
        checksumOffset = bytes.word16(at: 8)
    }

    package func write(to bytes: PacketBytes) {
        bytes[0] = needsChecksum ? Self.needsChecksumFlag : 0
        bytes[1] = segmentation.rawValue
        bytes.setWord(headerLength, at: 2)
        bytes.setWord(segmentSize, at: 4)
        bytes.setWord(checksumStart, at: 6)
        bytes.setWord(checksumOffset, at: 8)
    }
}
