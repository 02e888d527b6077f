import CNetfilter
import Glibc

/// A netlink socket to one subsystem of the kernel, closed when the value ends.
@safe
package struct NetlinkSocket: ~Copyable {
    package enum Subsystem {
        case routing
        case netfilter

        fileprivate var bus: Int32 {
            switch self {
            case .routing: NETLINK_ROUTE
            case .netfilter: NETLINK_NETFILTER
            }
        }
    }

    /// What one attempt to receive gave.
    package enum Reception {
        case datagram([UInt8])
        /// Nothing waits (non-blocking sockets only).
        case empty
        /// The kernel dropped notifications because they were not read fast enough.
        case overrun
    }

    /// An error acknowledgement: the kernel's `errno` and its text, where it gives one.
    package struct Refusal: Equatable, Sendable {
        package let code: Int32
        package let explanation: String?
    }

    /// Larger than any datagram of the kernel (it fills at most 32 KiB for one).
    private static let receiveCapacity = 1 << 16
    /// For a transaction of many objects and the acknowledgements of each.
    private static let bufferBytes: Int32 = 8 << 20

    private let socket: OpaquePointer
    private var sequence: UInt32 = 1

    /// A blocking socket for requests, or, with `groups` (numbers of multicast groups), a non-blocking one for notices.
    package init(_ subsystem: Subsystem, groups: [UInt32] = []) throws(NetlinkError) {
        unsafe socket = try Self.open(subsystem, groups)
    }

    deinit {
        unsafe mnl_socket_close(socket)
    }

    package var fileDescriptor: Int32 { unsafe mnl_socket_get_fd(socket) }

    /// The socket's own address, which the kernel puts into notices of what this socket caused.
    package var portID: UInt32 { unsafe mnl_socket_get_portid(socket) }

    /// Sequence numbers for `count` messages; the first is returned, the others follow it.
    package mutating func takeSequence(_ count: Int = 1) -> UInt32 {
        defer { sequence &+= UInt32(count) }
        return sequence
    }

    /// A transaction has to be sent at once, so the socket's buffer is enlarged for one that is larger.
    package func send(_ bytes: [UInt8]) throws(NetlinkError) {
        if bytes.count > Int(Self.bufferBytes) {
            unsafe Self.set([(SO_SNDBUFFORCE, SO_SNDBUF)], to: Int32(clamping: bytes.count + 4096), on: socket)
        }
        let sent = unsafe bytes.withUnsafeBytes { unsafe mnl_socket_sendto(socket, $0.baseAddress, $0.count) }
        guard sent == bytes.count else { throw .socket(step: "send", code: errno) }
    }

    package func receive() throws(NetlinkError) -> Reception {
        var code: Int32 = 0
        let datagram = unsafe [UInt8](unsafeUninitializedCapacity: Self.receiveCapacity) { buffer, count in
            var received: Int
            repeat {
                received = unsafe mnl_socket_recvfrom(socket, buffer.baseAddress, buffer.count)
            } while received < 0 && errno == EINTR
            code = received < 0 ? errno : 0
            count = max(received, 0)
        }
        switch code {
        case 0: return .datagram(datagram)
        case EAGAIN: return .empty
        case ENOBUFS: return .overrun
        default: throw .socket(step: "receive", code: code)
        }
    }

    /// Sends one request and collects its answers up to the acknowledgement or the end of the dump.
    ///
    /// The builder's flags must hold `NLM_F_ACK` or `NLM_F_DUMP`. A dump that a change made inconsistent is repeated.
    package mutating func request(
        _ message: borrowing MessageBuilder, doing action: String, to object: String
    ) throws(NetlinkError) -> [NetlinkMessage] {
        for _ in 0..<8 {
            let number = takeSequence()
            try send(NetlinkMessage.numbered(message.bytes, number))
            if let answers = try collect(number, doing: action, to: object) { return answers }
        }
        throw .refused(
            action: action, object: object, code: EAGAIN, explanation: "it changes faster than it can be read")
    }

    /// Sends one request for a dump and passes its answers on one by one. What changes meanwhile may be missed or come twice.
    package mutating func dump(
        _ message: borrowing MessageBuilder, doing action: String, to object: String, _ body: (NetlinkMessage) -> Void
    ) throws(NetlinkError) {
        let number = takeSequence()
        try send(NetlinkMessage.numbered(message.bytes, number))
        while true {
            for message in NetlinkMessage.split(try receiveAnswer()) where message.sequence == number {
                switch message.type {
                case Int(NLMSG_DONE): return
                case Int(NLMSG_ERROR):
                    guard let refusal = message.refusal else { return }
                    throw .refused(
                        action: action, object: object, code: refusal.code, explanation: refusal.explanation)
                default: body(message)
                }
            }
        }
    }

    /// Has the kernel look closely at requests for dumps, and heed what stands in them beside the header (Linux 4.20).
    package func checkStrictly() throws(NetlinkError) {
        guard unsafe Self.set(NETLINK_GET_STRICT_CHK, 1, on: socket) else {
            throw .socket(step: "ask for strict checking", code: errno)
        }
    }

    /// Leaves out notices of what the socket with this address has caused, before they take room in the buffer.
    package func ignoreNotices(causedBy portID: UInt32) throws(NetlinkError) {
        // Source: linux/filter.h. The header's last field, at 12, is compared in network order.
        var program = [
            sock_filter(code: UInt16(BPF_LD | BPF_W | BPF_ABS), jt: 0, jf: 0, k: 12),
            sock_filter(code: UInt16(BPF_JMP | BPF_JEQ | BPF_K), jt: 0, jf: 1, k: portID.bigEndian),
            sock_filter(code: UInt16(BPF_RET | BPF_K), jt: 0, jf: 0, k: 0),
            sock_filter(code: UInt16(BPF_RET | BPF_K), jt: 0, jf: 0, k: UInt32.max),
        ]
        let code = unsafe program.withUnsafeMutableBufferPointer { instructions in
            var filter = unsafe sock_fprog(len: UInt16(instructions.count), filter: instructions.baseAddress)
            let size = unsafe socklen_t(MemoryLayout<sock_fprog>.size)
            return unsafe setsockopt(fileDescriptor, SOL_SOCKET, SO_ATTACH_FILTER, &filter, size)
        }
        guard code == 0 else { throw .socket(step: "filter notices", code: errno) }
    }

    /// The next datagram of a blocking socket; throws when the kernel lost it or sends none.
    package func receiveAnswer() throws(NetlinkError) -> [UInt8] {
        switch try receive() {
        case .datagram(let bytes): return bytes
        case .empty: throw .socket(step: "wait for the kernel's answer", code: ETIMEDOUT)
        case .overrun: throw .socket(step: "receive the kernel's answer", code: ENOBUFS)
        }
    }

    /// `nil`: the dump was interrupted by a change.
    private func collect(
        _ number: UInt32, doing action: String, to object: String
    ) throws(NetlinkError) -> [NetlinkMessage]? {
        var answers: [NetlinkMessage] = []
        var isConsistent = true
        while true {
            let bytes = try receiveAnswer()
            for message in NetlinkMessage.split(bytes) where message.sequence == number {
                if message.flags & NLM_F_DUMP_INTR != 0 { isConsistent = false }
                switch message.type {
                case Int(NLMSG_DONE):
                    return isConsistent ? answers : nil
                case Int(NLMSG_ERROR):
                    guard let refusal = message.refusal else { return answers }
                    throw .refused(
                        action: action, object: object, code: refusal.code, explanation: refusal.explanation)
                default:
                    answers.append(message)
                }
            }
        }
    }

    private static func open(_ subsystem: Subsystem, _ groups: [UInt32]) throws(NetlinkError) -> OpaquePointer {
        let flags = Int32(SOCK_CLOEXEC.rawValue) | (groups.isEmpty ? 0 : Int32(SOCK_NONBLOCK.rawValue))
        guard let socket = unsafe mnl_socket_open2(subsystem.bus, flags) else {
            throw .socket(step: "open", code: errno)
        }
        var failure: NetlinkError?
        if unsafe mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) != 0 {
            failure = .socket(step: "bind", code: errno)
        }
        for group in groups where unsafe !set(NETLINK_ADD_MEMBERSHIP, Int32(bitPattern: group), on: socket) {
            failure = .socket(step: "subscribe to notices of group \(group)", code: errno)
        }
        if let failure {
            unsafe mnl_socket_close(socket)
            throw failure
        }
        // Only better error texts depend on these two.
        _ = unsafe set(NETLINK_EXT_ACK, 1, on: socket)
        _ = unsafe set(NETLINK_CAP_ACK, 1, on: socket)
        unsafe enlargeBuffers(of: socket)
        // The kernel answers at once or not at all; a lost acknowledgement must not stop the control thread for ever.
        var patience = timeval(tv_sec: 5, tv_usec: 0)
        let descriptor = unsafe mnl_socket_get_fd(socket)
        _ = unsafe setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        return unsafe socket
    }

    @unsafe
    private static func set(_ option: Int32, _ value: Int32, on socket: OpaquePointer) -> Bool {
        var value = value
        return unsafe mnl_socket_setsockopt(socket, option, &value, socklen_t(MemoryLayout<Int32>.size)) == 0
    }

    /// Without the privilege for the forced sizes the kernel's limits stay, which serve all but the largest transactions.
    @unsafe
    private static func enlargeBuffers(of socket: OpaquePointer) {
        unsafe set([(SO_SNDBUFFORCE, SO_SNDBUF), (SO_RCVBUFFORCE, SO_RCVBUF)], to: bufferBytes, on: socket)
    }

    @unsafe
    private static func set(_ options: [(Int32, Int32)], to bytes: Int32, on socket: OpaquePointer) {
        let descriptor = unsafe mnl_socket_get_fd(socket)
        let size = socklen_t(MemoryLayout<Int32>.size)
        for (forced, polite) in options {
            var value = bytes
            if unsafe setsockopt(descriptor, SOL_SOCKET, forced, &value, size) != 0 {
                _ = unsafe setsockopt(descriptor, SOL_SOCKET, polite, &value, size)
            }
        }
    }
}

extension NetlinkMessage {
    /// What an error message says; `nil` for an acknowledgement of success and for other messages.
    ///
    /// Layout: `errno` negated (4), header of the request (16), then, if flagged, attributes.
    package var refusal: NetlinkSocket.Refusal? {
        guard type == Int(NLMSG_ERROR), let error = structure(nlmsgerr.self), error.error != 0 else { return nil }
        var explanation: String?
        if flags & NLM_F_ACK_TLVS != 0 {
            explanation = attributes(after: nlmsgerr.self).text(UInt16(NLMSGERR_ATTR_MSG.rawValue))
        }
        return NetlinkSocket.Refusal(code: 0 &- error.error, explanation: explanation)
    }
}
