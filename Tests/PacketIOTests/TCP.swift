import Glibc
import Linux
import Wire

/// Blocking TCP over IPv4, for tests.
enum TCP {
    static func listen(_ socket: Int32, _ endpoint: Endpoint) throws(SystemError) {
        try unsafe call("bind", on: endpoint) { unsafe Glibc.bind(socket, $0, $1) }
        guard Glibc.listen(socket, 1) == 0 else { throw SystemError("listen", code: errno) }
    }

    /// Everything that the first connection brings, up to its end.
    static func acceptAndReadAll(_ listener: Int32) -> [UInt8] {
        let connection = FileDescriptor(owning: accept(listener, nil, nil))
        var bytes: [UInt8] = []
        while case .bytes(_)? = try? connection.read(into: &bytes, limit: 1 << 18) {}
        return bytes
    }

    /// Connects, writes everything and closes the sending side.
    static func connectAndWrite(_ socket: Int32, _ endpoint: Endpoint, _ bytes: [UInt8])
        throws(SystemError)
    {
        try unsafe call("connect", on: endpoint) { unsafe Glibc.connect(socket, $0, $1) }
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes { unsafe write(socket, $0.baseAddress, $0.count) }
            guard count > 0 else { throw SystemError("write", code: errno) }
            rest = rest.dropFirst(count)
        }
        shutdown(socket, Int32(SHUT_WR))
    }

    private static func call(
        _ name: String, on endpoint: Endpoint, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) throws(SystemError) {
        guard case .v4(let address) = endpoint.address else { return }
        var socketAddress = sockaddr_in()
        socketAddress.sin_family = sa_family_t(AF_INET)
        socketAddress.sin_port = endpoint.port.bigEndian
        socketAddress.sin_addr.s_addr = address.rawValue.bigEndian
        let result = unsafe withUnsafePointer(to: &socketAddress) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else { throw SystemError("\(name) \(endpoint)", code: errno) }
    }
}
