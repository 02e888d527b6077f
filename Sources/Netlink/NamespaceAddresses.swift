import CNetfilter
import Glibc
package import Wire

/// Reads addresses in the network namespaces of other processes, without entering them.
///
/// The kernel numbers a foreign namespace on demand and answers for that number (rtnetlink(7), IFA_TARGET_NETNSID). It takes
/// CAP_NET_ADMIN alone, where setns(2) would take CAP_SYS_ADMIN and /proc/PID/net a /proc that hides nothing.
package struct NamespaceAddresses: ~Copyable {
    private var socket: NetlinkSocket

    package init() throws(NetlinkError) {
        let socket = try NetlinkSocket(.routing)
        try socket.checkStrictly()
        self.socket = socket
    }

    /// The addresses that others may use, by interface: neither loopback nor link-local, nor still searched for duplicates.
    package mutating func read(ofProcess process: UInt32) throws(NetlinkError) -> [(
        interface: Int32, addresses: [IPAddress]
    )] {
        let number = try number(ofProcess: process)
        let message = MessageBuilder(type: RTM_GETADDR, flags: NLM_F_REQUEST | NLM_F_DUMP)
        message.put(structure: ifaddrmsg())
        message.put(UInt16(IFA_TARGET_NETNSID), UInt32(bitPattern: number))
        var found: [Int32: [IPAddress]] = [:]
        let object = "the addresses of process \(process)"
        for answer in try socket.request(message, doing: "list", to: object) {
            guard let entry = InterfaceAddress(parsing: answer), entry.address.isUnicast,
                !entry.flags.contains(.tentative), !entry.flags.contains(.deprecated), !Self.isLinkLocal(entry.address)
            else { continue }
            found[entry.interface, default: []].append(entry.address)
        }
        return found.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    /// The number by which this namespace knows that of a process, given now if there is none.
    private mutating func number(ofProcess process: UInt32) throws(NetlinkError) -> Int32 {
        if let number = try existingNumber(ofProcess: process) { return number }
        let message = MessageBuilder(type: RTM_NEWNSID, flags: NLM_F_REQUEST | NLM_F_ACK)
        message.put(structure: rtgenmsg())
        message.put(UInt16(NETNSA_PID), process)
        message.put(UInt16(NETNSA_NSID), UInt32.max)
        do {
            _ = try socket.request(message, doing: "number", to: "the network namespace of process \(process)")
        } catch {
            // Somebody else was faster.
            guard error.code == EEXIST else { throw error }
        }
        guard let number = try existingNumber(ofProcess: process) else {
            throw .malformed("the network namespace of process \(process) has no number")
        }
        return number
    }

    private mutating func existingNumber(ofProcess process: UInt32) throws(NetlinkError) -> Int32? {
        let message = MessageBuilder(type: RTM_GETNSID, flags: NLM_F_REQUEST | NLM_F_ACK)
        message.put(structure: rtgenmsg())
        message.put(UInt16(NETNSA_PID), process)
        for answer in try socket.request(message, doing: "find", to: "the network namespace of process \(process)") {
            let attributes = answer.attributes(after: rtgenmsg.self)
            if let number = attributes.uint32(UInt16(NETNSA_NSID)).map(Int32.init(bitPattern:)), number >= 0 {
                return number
            }
        }
        return nil
    }

    private static func isLinkLocal(_ address: IPAddress) -> Bool {
        switch address {
        case .v4(let address): address.rawValue >> 16 == 0xa9fe
        case .v6(let address): address.isLinkLocal
        }
    }
}
