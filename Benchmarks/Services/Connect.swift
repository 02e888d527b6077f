import Glibc
import Wire

/// Sends SYN segments to random services by a raw socket. On one processor the receiving side's work is done before the send
/// returns, so the time of a packet is all that sender and node spend on it.
struct Connect {
    let services: Int
    let packets: Int

    func run() throws {
        let raw = socket(AF_INET, Int32(SOCK_RAW.rawValue), Int32(IPPROTO_RAW))
        guard raw >= 0 else { throw Failure(code: errno) }
        defer { close(raw) }
        var packet: [UInt8] = [0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 172, 31, 0, 2, 0, 0, 0, 0]
        packet += [0, 0, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0x20, 0, 0, 0, 0, 0]
        // Family, port and address of sockaddr_in; the kernel reads the address only.
        var target: [UInt8] = [UInt8(AF_INET), 0, 0, 0, 0, 0, 0, 0] + [UInt8](repeating: 0, count: 8)
        var state: UInt32 = 0x2545_f491
        let clock = ContinuousClock()
        let start = clock.now
        for number in 0..<packets {
            state ^= state << 13
            state ^= state >> 17
            state ^= state << 5
            let address = 0x0a60_0000 + state % UInt32(services)
            for index in 0..<4 {
                let byte = UInt8(truncatingIfNeeded: address >> (24 - 8 * UInt32(index)))
                packet[16 + index] = byte
                target[4 + index] = byte
            }
            packet[20] = UInt8(truncatingIfNeeded: number >> 8)
            packet[21] = UInt8(truncatingIfNeeded: number)
            setChecksum(&packet)
            let sent = unsafe target.withUnsafeBytes { buffer in
                unsafe sendto(
                    raw, packet, packet.count, 0, buffer.baseAddress?.assumingMemoryBound(to: sockaddr.self), 16)
            }
            guard sent == packet.count else { throw Failure(code: errno) }
        }
        let nanoseconds = start.duration(to: clock.now) / .nanoseconds(1)
        print("packet \(Int(nanoseconds) / packets) ns")
    }

    /// Conntrack passes over segments whose checksum is wrong.
    private func setChecksum(_ packet: inout [UInt8]) {
        packet[36] = 0
        packet[37] = 0
        var sum: UInt32 = 6 + 20
        for index in stride(from: 12, to: 40, by: 2) { sum += UInt32(packet[index]) << 8 | UInt32(packet[index + 1]) }
        while sum >> 16 > 0 { sum = sum & 0xffff + sum >> 16 }
        packet[36] = UInt8(truncatingIfNeeded: ~sum >> 8)
        packet[37] = UInt8(truncatingIfNeeded: ~sum)
    }

    struct Failure: Error, CustomStringConvertible {
        let code: Int32

        var description: String { "cannot send a packet (error \(code)): run as root in a namespace of its own" }
    }
}
