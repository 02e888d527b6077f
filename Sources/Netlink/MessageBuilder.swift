package import CNetfilter
import Glibc

/// Builds one netlink message: its header, the fixed structure of its type, then attributes.
///
/// Precondition of every `put`: the message stays below `capacity`; callers bound what they put.
@safe
package struct MessageBuilder: ~Copyable {
    /// The longest message that an attribute around all of its content can hold.
    private static let capacity = 1 << 16

    private let storage: UnsafeMutableRawPointer
    private let header: UnsafeMutablePointer<nlmsghdr>

    /// `flags` are `NLM_F_*`; the sequence number is set when the message is sent.
    package init(type: Int, flags: Int32) {
        unsafe storage = .allocate(byteCount: Self.capacity, alignment: 16)
        guard let header = unsafe mnl_nlmsg_put_header(storage) else { preconditionFailure("no message header") }
        unsafe self.header = header
        unsafe header.pointee.nlmsg_type = UInt16(type)
        unsafe header.pointee.nlmsg_flags = UInt16(flags)
    }

    deinit {
        unsafe storage.deallocate()
    }

    /// The message as it goes to the kernel.
    package var bytes: [UInt8] {
        unsafe Array(UnsafeRawBufferPointer(start: storage, count: Int(header.pointee.nlmsg_len)))
    }

    /// Appends the fixed structure that stands between header and attributes, such as `rtmsg`.
    package func put<Structure: BitwiseCopyable>(structure value: Structure) {
        let size = MemoryLayout<Structure>.size
        guard let place = unsafe mnl_nlmsg_put_extra_header(header, size) else { return }
        unsafe place.storeBytes(of: value, as: Structure.self)
    }

    package func put(_ attribute: UInt16, bytes: [UInt8]) {
        let fits = unsafe bytes.withUnsafeBytes { block in
            unsafe mnl_attr_put_check(header, Self.capacity, attribute, block.count, block.baseAddress)
        }
        precondition(fits, "netlink message too long")
    }

    package func put(_ attribute: UInt16, _ value: UInt32) {
        precondition(unsafe mnl_attr_put_u32_check(header, Self.capacity, attribute, value), "netlink message too long")
    }

    /// Puts text with its final zero.
    package func put(_ attribute: UInt16, text: String) {
        precondition(unsafe mnl_attr_put_strz_check(header, Self.capacity, attribute, text), "netlink message too long")
    }

    /// Puts an attribute whose content is attributes.
    package func nest(_ attribute: UInt16, _ body: (borrowing MessageBuilder) -> Void) {
        guard let start = unsafe mnl_attr_nest_start_check(header, Self.capacity, attribute) else {
            preconditionFailure("netlink message too long")
        }
        body(self)
        unsafe mnl_attr_nest_end(header, start)
    }

    /// Lets a function of libnftnl append to the message.
    @unsafe
    package func append(using body: (UnsafeMutablePointer<nlmsghdr>) -> Void) {
        unsafe body(header)
    }
}
