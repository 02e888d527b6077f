/// The ones' complement sum of RFC 1071, gathered from any number of runs that begin at even offsets.
///
/// Words are added in memory order, whatever the processor's, so `field` is stored as it is (RFC 1071 §2 B).
package struct InternetChecksum {
    private var sum: UInt64 = 0

    package init() {}

    /// The folded sum; 0xffff when a checksum was part of the data and is right.
    package var folded: UInt16 {
        var sum = (sum & 0xffff_ffff) &+ (sum >> 32)
        sum = (sum & 0xffff) &+ (sum >> 16)
        sum = (sum & 0xffff) &+ (sum >> 16)
        sum = (sum & 0xffff) &+ (sum >> 16)
        return UInt16(truncatingIfNeeded: sum)
    }

    /// What belongs in the checksum field, in memory order.
    package var field: UInt16 { ~folded }

    package mutating func add(bigEndian value: UInt16) {
        sum &+= UInt64(value.bigEndian)
    }

    package mutating func add(bigEndian value: UInt32) {
        sum &+= UInt64(value.bigEndian)
    }

    /// Adds a run; only the last run of a packet may have an odd length.
    package mutating func add(_ bytes: PacketBytes) {
        var offset = 0
        let count = bytes.count
        if count >= 64 {
            var even = SIMD8<UInt64>.zero
            var odd = SIMD8<UInt64>.zero
            while offset &+ 64 <= count {
                even &+= SIMD8<UInt64>(truncatingIfNeeded: bytes.lanes(at: offset))
                odd &+= SIMD8<UInt64>(truncatingIfNeeded: bytes.lanes(at: offset &+ 32))
                offset &+= 64
            }
            sum &+= (even &+ odd).wrappedSum()
        }
        while offset &+ 4 <= count {
            sum &+= UInt64(bytes.word32(at: offset))
            offset &+= 4
        }
        if offset &+ 2 <= count {
            sum &+= UInt64(bytes.word16(at: offset))
            offset &+= 2
        }
        if offset < count {
            // The missing byte counts as zero and stands behind, so in memory order the last one comes first.
            sum &+= UInt64(UInt16(bytes[offset]).littleEndian)
        }
    }

    /// Adds the pseudo-header of TCP or UDP (RFC 9293 §3.1, RFC 8200 §8.1) over the addresses of `packet`.
    package mutating func addPseudoHeader(of packet: PacketBytes, isIPv4: Bool, transport: UInt8, length: Int) {
        add(isIPv4 ? packet.slice(12, 8) : packet.slice(8, 32))
        add(bigEndian: UInt16(transport))
        add(bigEndian: UInt32(truncatingIfNeeded: length))
    }
}
