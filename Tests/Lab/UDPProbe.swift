import CLab
import Glibc
package import Wire

/// A UDP socket inside a namespace, for tests that look at single datagrams.
package final class UDPProbe {
    private let descriptor: Int32

    /// - Parameters:
    ///   - address: which address to bind; its family is the socket's.
    ///   - port: 0 takes any free one.
    package init(in place: some Place, address: IPAddress = .v4(.any), port: UInt16 = 0) throws(LabError) {
        let family = address.isIPv4 ? AF_INET : AF_INET6
        descriptor = unsafe clab_socket_in_namespace(place.namespacePath, family, Int32(SOCK_DGRAM.rawValue))
        guard descriptor >= 0 else { throw .system(call: "socket", object: place.namespacePath, code: -descriptor) }
        let outcome = Self.withSocketAddress(of: Endpoint(address, port: port)) { pointer, length in
            unsafe bind(descriptor, pointer, length)
        }
        guard outcome == 0 else { throw .system(call: "bind", object: "port \(port)", code: errno) }
    }

    deinit { close(descriptor) }

    /// Sends one datagram; what the system refuses to send is lost, as on the way.
    package func send(_ text: String, to endpoint: Endpoint) {
        Self.withSocketAddress(of: endpoint) { pointer, length in
            unsafe Array(text.utf8).withUnsafeBytes { bytes in
                _ = unsafe sendto(descriptor, bytes.baseAddress, bytes.count, 0, pointer, length)
            }
        }
    }

    /// The next datagram and where it came from, or `nil` if none comes in time.
    package func receive(within limit: Duration = .milliseconds(200)) -> (text: String, source: Endpoint)? {
        var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        let milliseconds = limit.components.seconds * 1000 + limit.components.attoseconds / 1_000_000_000_000_000
        guard unsafe poll(&waiting, 1, Int32(milliseconds)) == 1 else { return nil }
        var bytes = [UInt8](repeating: 0, count: 2048)
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let count = unsafe withUnsafeMutablePointer(to: &storage) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { source in
                unsafe recvfrom(descriptor, &bytes, bytes.count, 0, source, &length)
            }
        }
        guard count >= 0, let source = Self.endpoint(of: storage) else { return nil }
        return (String(decoding: bytes[..<count], as: UTF8.self), source)
    }

    /// `sockaddr_in` is family (2), port (2), address (4); `sockaddr_in6` has four bytes of flow label before the address.
    @safe private static func withSocketAddress<Outcome>(
        of endpoint: Endpoint, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Outcome
    ) -> Outcome {
        let isIPv4 = endpoint.address.isIPv4
        let family = UInt16(isIPv4 ? AF_INET : AF_INET6)
        var bytes = [UInt8(truncatingIfNeeded: family), UInt8(family >> 8)]
        bytes += [UInt8(endpoint.port >> 8), UInt8(truncatingIfNeeded: endpoint.port)]
        bytes += isIPv4 ? [] : [0, 0, 0, 0]
        bytes += endpoint.address.bytes
        bytes += [UInt8](repeating: 0, count: isIPv4 ? 8 : 4)
        return unsafe bytes.withUnsafeBytes { raw in
            unsafe raw.withMemoryRebound(to: sockaddr.self) { addresses in
                unsafe body(addresses.baseAddress!, socklen_t(raw.count))
            }
        }
    }

    private static func endpoint(of storage: sockaddr_storage) -> Endpoint? {
        unsafe withUnsafeBytes(of: storage) { raw in
            let isIPv4 = Int32(storage.ss_family) == AF_INET
            let port = unsafe UInt16(raw[2]) << 8 | UInt16(raw[3])
            let address = unsafe Array(isIPv4 ? raw[4..<8] : raw[8..<24])
            return IPAddress(bytes: address).map { Endpoint($0, port: port) }
        }
    }
}
