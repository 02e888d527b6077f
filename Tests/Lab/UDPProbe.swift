import CLab
import Glibc
package import Wire

/// A UDP socket inside a namespace, for tests that look at single datagrams.
package final class UDPProbe {
    private let descriptor: Int32

    /// IPv4; port 0 takes any free one.
    package init(in namespace: Namespace, port: UInt16 = 0) throws(LabError) {
        descriptor = unsafe clab_socket_in_namespace(namespace.path, AF_INET, Int32(SOCK_DGRAM.rawValue))
        guard descriptor >= 0 else { throw .system(call: "socket", object: namespace.name, code: -descriptor) }
        var address = Self.socketAddress(of: Endpoint(.v4(.any), port: port))
        let length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let outcome = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe bind(descriptor, $0, length) }
        }
        guard outcome == 0 else { throw .system(call: "bind", object: "port \(port)", code: errno) }
    }

    deinit { close(descriptor) }

    package func send(_ text: String, to endpoint: Endpoint) {
        var address = Self.socketAddress(of: endpoint)
        let length = socklen_t(MemoryLayout<sockaddr_in>.size)
        _ = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { target in
                unsafe Array(text.utf8).withUnsafeBytes { bytes in
                    unsafe sendto(descriptor, bytes.baseAddress, bytes.count, 0, target, length)
                }
            }
        }
    }

    /// The next datagram and where it came from, or `nil` if none comes in time.
    package func receive(within limit: Duration = .milliseconds(200)) -> (text: String, source: Endpoint)? {
        var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        let milliseconds = limit.components.seconds * 1000 + limit.components.attoseconds / 1_000_000_000_000_000
        guard unsafe poll(&waiting, 1, Int32(milliseconds)) == 1 else { return nil }
        var bytes = [UInt8](repeating: 0, count: 2048)
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let count = unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { source in
                unsafe recvfrom(descriptor, &bytes, bytes.count, 0, source, &length)
            }
        }
        guard count >= 0 else { return nil }
        let source = IPv4Address(rawValue: UInt32(bigEndian: address.sin_addr.s_addr))
        return (
            String(decoding: bytes[..<count], as: UTF8.self),
            Endpoint(.v4(source), port: UInt16(bigEndian: address.sin_port))
        )
    }

    private static func socketAddress(of endpoint: Endpoint) -> sockaddr_in {
        guard case .v4(let address) = endpoint.address else { preconditionFailure("the probe speaks IPv4 only") }
        var result = sockaddr_in()
        result.sin_family = sa_family_t(AF_INET)
        result.sin_port = endpoint.port.bigEndian
        result.sin_addr.s_addr = address.rawValue.bigEndian
        return result
    }
}
