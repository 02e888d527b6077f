import CLinux
import Synchronization
package import Wire

/// A non-blocking UDP socket of one family, which lets the kernel fragment what is too large for a link.
///
/// `send` may be called from any thread.
package final class UDPSocket: Sendable {
    /// Both directions: about 50 ms of a 1 Gbit/s link.
    package static let bufferBytes: Int32 = 7 << 20
    /// How long a send waits for room in the send buffer before it drops.
    private static let sendWaitMilliseconds: Int32 = 20

    package let descriptor: FileDescriptor
    package let localEndpoint: Endpoint
    /// Whether the kernel joins datagrams on receipt (UDP_GRO).
    package let joinsDatagrams: Bool
    /// Cleared when a device turns out not to cut datagrams (UDP_SEGMENT); then they go one by one.
    private let cutsDatagrams = Atomic(true)

    package var isIPv4: Bool { localEndpoint.address.isIPv4 }

    /// Binds to `endpoint`; port 0 lets the kernel choose. `mark` sets SO_MARK, for policy routing.
    package convenience init(_ endpoint: Endpoint, mark: UInt32? = nil) throws(SystemError) {
        try self.init(endpoint, mark: mark, bufferBytes: Self.bufferBytes, joins: true)
    }

    /// A socket for questions and announcements, not for packets in flight: little is kept waiting, and every datagram comes
    /// by itself. `sharesPort`: other programs may listen there too.
    package convenience init(asking endpoint: Endpoint, sharesPort: Bool = false) throws(SystemError) {
        try self.init(endpoint, mark: nil, bufferBytes: 1 << 16, joins: false, sharesPort: sharesPort)
    }

    /// A socket for a server of small requests: room for a burst of them, and every datagram comes by itself.
    package convenience init(serving endpoint: Endpoint) throws(SystemError) {
        try self.init(endpoint, mark: nil, bufferBytes: 4 << 20, joins: false)
    }

    private init(
        _ endpoint: Endpoint, mark: UInt32?, bufferBytes: Int32, joins: Bool, sharesPort: Bool = false
    ) throws(SystemError) {
        let number = linux_udp_open(endpoint.address.isIPv4 ? 4 : 6, joins)
        descriptor = FileDescriptor(owning: try SystemError.check(number, "open UDP socket"))
        try SystemError.check(linux_set_buffers(number, bufferBytes), "set socket buffers")
        if sharesPort { try SystemError.check(linux_share_port(number), "share port \(endpoint.port)") }
        if let mark { try SystemError.check(linux_set_mark(number, mark), "set SO_MARK \(mark)") }
        var address = linux_address(endpoint)
        try SystemError.check(unsafe linux_bind(number, &address), "bind \(endpoint)")
        try SystemError.check(unsafe linux_bound_address(number, &address), "getsockname")
        localEndpoint = address.endpoint ?? endpoint
        joinsDatagrams = linux_udp_has_gro(number) == 1
    }

    /// Sends everything in `queue` and empties it; returns how many datagrams could not be sent.
    ///
    /// A destination that cannot be reached costs its own datagrams only.
    package func send(_ queue: inout SendQueue) -> Int {
        let (failed, refusesTrains) = queue.send(to: descriptor.number, waitMilliseconds: Self.sendWaitMilliseconds)
        if refusesTrains { cutsDatagrams.store(false, ordering: .relaxed) }
        return failed
    }

    /// Sends one datagram, from the control thread. A refusal is an error, a full buffer counts as one.
    ///
    /// - Parameters:
    ///   - interface: the interface that it must leave by, along with `source`; 0 lets routing choose.
    ///   - hopLimit: how many hosts and routers it may reach before it is dropped; `nil` for the system's.
    package func send(
        _ datagram: [UInt8], to endpoint: Endpoint, from source: IPAddress? = nil, interface: UInt32 = 0,
        hopLimit: UInt8? = nil
    ) throws(SystemError) {
        let result = Datagram.send(
            datagram, over: descriptor.number, to: endpoint, from: source, interface: interface, hopLimit: hopLimit)
        try SystemError.check(result, "send to \(endpoint)")
    }

    /// Connects the socket to `endpoint` for good, and gives another descriptor of it, which outlives this one: for a link.
    package func connect(to endpoint: Endpoint) throws(SystemError) -> FileDescriptor {
        var address = linux_address(endpoint)
        try SystemError.check(unsafe linux_connect(descriptor.number, &address), "connect to \(endpoint)")
        return FileDescriptor(
            owning: try SystemError.check(linux_duplicate(descriptor.number), "duplicate the socket to \(endpoint)"))
    }

    /// Whether trains may be queued as one message.
    package var takesTrains: Bool { cutsDatagrams.load(ordering: .relaxed) }
}
