import Glibc
import Wire

/// An address and port as system calls take them: family (2), port (2), then the address as each family has it.
struct SocketAddress {
    /// Enough for both families.
    static let capacity = 28

    var bytes: [UInt8]

    init(_ address: IPAddress, port: UInt16) {
        bytes = unsafe withUnsafeBytes(of: UInt16(address.isIPv4 ? AF_INET : AF_INET6)) { unsafe Array($0) }
        bytes += [UInt8(port >> 8), UInt8(truncatingIfNeeded: port)]
        bytes += address.isIPv4 ? address.bytes + [UInt8](repeating: 0, count: 8) : []
        bytes += address.isIPv4 ? [] : [0, 0, 0, 0] + address.bytes + [0, 0, 0, 0]
    }

    init(bytes: [UInt8]) {
        self.bytes = bytes
    }

    var address: IPAddress? {
        bytes.count >= 28 ? IPAddress(bytes: Array(bytes[8..<24])) : IPAddress(bytes: Array(bytes.prefix(8).suffix(4)))
    }

    func connect(_ descriptor: Int32) -> Int32 {
        unsafe bytes.withUnsafeBytes { buffer in
            unsafe Glibc.connect(
                descriptor, buffer.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t(buffer.count))
        }
    }

    func bind(_ descriptor: Int32) -> Int32 {
        unsafe bytes.withUnsafeBytes { buffer in
            unsafe Glibc.bind(
                descriptor, buffer.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t(buffer.count))
        }
    }

    func send(_ text: String, by descriptor: Int32) -> Int { send(bytes: Array(text.utf8), by: descriptor) }

    func send(bytes payload: [UInt8], by descriptor: Int32) -> Int {
        unsafe bytes.withUnsafeBytes { buffer in
            unsafe sendto(
                descriptor, payload, payload.count, 0, buffer.baseAddress?.assumingMemoryBound(to: sockaddr.self),
                socklen_t(buffer.count))
        }
    }

    /// The next datagram's text and sender; `nil` when there is none.
    static func receive(from descriptor: Int32) -> (text: String, sender: SocketAddress)? {
        var payload = [UInt8](repeating: 0, count: 2048)
        var sender = [UInt8](repeating: 0, count: capacity)
        var length = socklen_t(capacity)
        let room = payload.count
        let count = unsafe sender.withUnsafeMutableBytes { buffer in
            unsafe recvfrom(
                descriptor, &payload, room, 0, buffer.baseAddress?.assumingMemoryBound(to: sockaddr.self), &length)
        }
        guard count >= 0 else { return nil }
        let text = String(decoding: payload[..<count], as: UTF8.self)
        return (text, SocketAddress(bytes: Array(sender.prefix(Int(length)))))
    }

    /// Takes a waiting connection; `nil` when there is none.
    static func accept(on descriptor: Int32) -> (descriptor: Int32, sender: SocketAddress)? {
        var sender = [UInt8](repeating: 0, count: capacity)
        var length = socklen_t(capacity)
        let accepted = unsafe sender.withUnsafeMutableBytes { buffer in
            unsafe Glibc.accept(descriptor, buffer.baseAddress?.assumingMemoryBound(to: sockaddr.self), &length)
        }
        guard accepted >= 0 else { return nil }
        return (accepted, SocketAddress(bytes: Array(sender.prefix(Int(length)))))
    }
}

/// Waits until the descriptor can be read, at most so long.
func isReadable(_ descriptor: Int32, within milliseconds: Int32) -> Bool {
    var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    return unsafe poll(&waiting, 1, milliseconds) > 0
}

/// A TCP segment as a raw socket sends it (RFC 9293 §3.1) that no connection has: SYN, FIN and ACK at once.
enum Segment {
    static func bytes(from source: IPAddress, _ sourcePort: UInt16, to target: IPAddress, _ targetPort: UInt16)
        -> [UInt8]
    {
        func big(_ number: UInt16) -> [UInt8] { [UInt8(number >> 8), UInt8(truncatingIfNeeded: number)] }
        var segment = big(sourcePort) + big(targetPort)
        segment += [0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0, 0x50, 0x13, 0x10, 0x00, 0, 0, 0, 0]
        let pseudo = source.bytes + target.bytes + [0, 6] + big(UInt16(segment.count)) + segment
        var sum: UInt32 = 0
        for index in stride(from: 0, to: pseudo.count, by: 2) {
            sum += UInt32(pseudo[index]) << 8 | UInt32(pseudo[index + 1])
        }
        while sum >> 16 > 0 { sum = sum & 0xffff + sum >> 16 }
        segment.replaceSubrange(16..<18, with: big(~UInt16(truncatingIfNeeded: sum)))
        return segment
    }
}
