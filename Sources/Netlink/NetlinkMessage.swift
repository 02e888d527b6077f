import CNetfilter
package import Wire

/// One received netlink message, copied out of its datagram.
package struct NetlinkMessage: Sendable {
    package let type: Int
    /// `NLM_F_*`.
    package let flags: Int32
    package let sequence: UInt32
    /// The socket that asked for this, or that caused what a notification tells; 0 is the kernel itself.
    package let portID: UInt32
    /// The whole message with its header.
    package let bytes: [UInt8]

    /// The messages of a datagram in order. What follows a message that is cut short is left out.
    @safe
    package static func split(_ datagram: [UInt8]) -> [NetlinkMessage] {
        var messages: [NetlinkMessage] = []
        unsafe datagram.withUnsafeBytes { buffer in
            var remaining = Int32(clamping: buffer.count)
            guard var header = unsafe buffer.baseAddress?.assumingMemoryBound(to: nlmsghdr.self) else { return }
            // libmnl takes a length past 2^31 for a negative one, so it is compared here too.
            while unsafe mnl_nlmsg_ok(header, remaining), unsafe header.pointee.nlmsg_len <= remaining {
                unsafe messages.append(NetlinkMessage(copying: header))
                guard let next = unsafe mnl_nlmsg_next(header, &remaining) else { return }
                unsafe header = UnsafePointer(next)
            }
        }
        return messages
    }

    @unsafe
    private init(copying header: UnsafePointer<nlmsghdr>) {
        unsafe type = Int(header.pointee.nlmsg_type)
        unsafe flags = Int32(header.pointee.nlmsg_flags)
        unsafe sequence = header.pointee.nlmsg_seq
        unsafe portID = header.pointee.nlmsg_pid
        unsafe bytes = Array(UnsafeRawBufferPointer(start: header, count: Int(header.pointee.nlmsg_len)))
    }

    /// A message of ours with its sequence number, which the header holds at offset 8.
    package static func numbered(_ bytes: [UInt8], _ number: UInt32) -> [UInt8] {
        var numbered = bytes
        unsafe withUnsafeBytes(of: number) { unsafe numbered.replaceSubrange(8..<12, with: $0) }
        return numbered
    }

    /// Appends a message of ours with its sequence number.
    package static func append(_ message: [UInt8], numbered number: UInt32, to bytes: inout [UInt8]) {
        bytes += message[..<8]
        unsafe withUnsafeBytes(of: number) { unsafe bytes.append(contentsOf: $0) }
        bytes += message[12...]
    }

    /// The fixed structure after the header; `nil` when the message is too short for it.
    package func structure<Structure: BitwiseCopyable>(_ type: Structure.Type) -> Structure? {
        let start = MemoryLayout<nlmsghdr>.size
        guard bytes.count >= start + MemoryLayout<Structure>.size else { return nil }
        return unsafe bytes.withUnsafeBytes { unsafe $0.loadUnaligned(fromByteOffset: start, as: Structure.self) }
    }

    /// The attributes after the fixed structure.
    package func attributes<Structure: BitwiseCopyable>(after type: Structure.Type) -> Attributes {
        let start = MemoryLayout<nlmsghdr>.size + (MemoryLayout<Structure>.size + 3) & ~3
        return Attributes(parsing: bytes.count > start ? Array(bytes[start...]) : [])
    }

    /// The attributes after the fixed structure, where they lie.
    package func cursor<Structure: BitwiseCopyable>(after type: Structure.Type) -> AttributeCursor {
        let start = MemoryLayout<nlmsghdr>.size + (MemoryLayout<Structure>.size + 3) & ~3
        return AttributeCursor(bytes, min(start, bytes.count)..<bytes.count)
    }
}

/// The attributes of a message or of a nest, by type; of several with one type the last counts.
package struct Attributes: Sendable {
    private var values: [UInt16: [UInt8]] = [:]

    /// Reads type-length-value triples; what follows one that is cut short is left out.
    @safe
    package init(parsing block: [UInt8]) {
        unsafe block.withUnsafeBytes { buffer in
            guard let start = buffer.baseAddress else { return }
            var position = unsafe start.assumingMemoryBound(to: nlattr.self)
            let end = unsafe start + buffer.count
            while true {
                let remaining = unsafe end - UnsafeRawPointer(position)
                guard remaining > 0, unsafe mnl_attr_ok(position, Int32(clamping: remaining)) else { return }
                let count = unsafe Int(mnl_attr_get_payload_len(position))
                let payload = unsafe UnsafeRawBufferPointer(start: mnl_attr_get_payload(position), count: count)
                unsafe values[mnl_attr_get_type(position)] = Array(payload)
                guard let next = unsafe mnl_attr_next(position) else { return }
                unsafe position = UnsafePointer(next)
            }
        }
    }

    package func bytes(_ attribute: UInt16) -> [UInt8]? { values[attribute] }

    /// A number in the machine's own byte order.
    package func uint32(_ attribute: UInt16) -> UInt32? {
        guard let bytes = values[attribute], bytes.count == 4 else { return nil }
        return unsafe bytes.withUnsafeBytes { unsafe $0.loadUnaligned(as: UInt32.self) }
    }

    /// Text up to its first zero.
    package func text(_ attribute: UInt16) -> String? {
        values[attribute].map { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }

    package func address(_ attribute: UInt16) -> IPAddress? {
        values[attribute].flatMap { IPAddress(bytes: $0) }
    }

    package func nested(_ attribute: UInt16) -> Attributes? {
        values[attribute].map { Attributes(parsing: $0) }
    }
}
