import CNetfilter
import Glibc
package import Wire

/// A network interface as the kernel tells it.
package struct Link: Hashable, Sendable {
    package let index: Int32
    package let name: String
    /// What made it: "bridge", "tun", "veth", "wireguard"...; `nil` for hardware and the loopback.
    package let kind: String?
    package let mtuBytes: Int
    /// The index of the bridge (or bond) that it is a port of.
    package let master: Int32?
    package let hardwareAddress: [UInt8]
    /// `IFF_*`.
    package let flags: UInt32

    package init(
        index: Int32, name: String, kind: String?, mtuBytes: Int, master: Int32?, hardwareAddress: [UInt8],
        flags: UInt32
    ) {
        self.index = index
        self.name = name
        self.kind = kind
        self.mtuBytes = mtuBytes
        self.master = master
        self.hardwareAddress = hardwareAddress
        self.flags = flags
    }

    /// Switched on by the administrator.
    package var isUp: Bool { flags & UInt32(IFF_UP) != 0 }
    /// Up, and its lower layer is too: it can carry packets.
    package var isRunning: Bool { flags & UInt32(IFF_RUNNING) != 0 }
    package var isLoopback: Bool { flags & UInt32(IFF_LOOPBACK) != 0 }
    package var isPointToPoint: Bool { flags & UInt32(IFF_POINTOPOINT) != 0 }
    package var isBridge: Bool { kind == "bridge" }

    /// Reads `RTM_NEWLINK` and `RTM_DELLINK`; `nil` for a message that is neither, or lacks name or index.
    package init?(parsing message: NetlinkMessage) {
        guard message.type == Int(RTM_NEWLINK) || message.type == Int(RTM_DELLINK),
            let fixed = message.structure(ifinfomsg.self), fixed.ifi_family == UInt8(AF_UNSPEC)
        else { return nil }
        let attributes = message.attributes(after: ifinfomsg.self)
        guard let name = attributes.text(UInt16(IFLA_IFNAME)) else { return nil }
        index = fixed.ifi_index
        self.name = name
        kind = attributes.nested(UInt16(IFLA_LINKINFO))?.text(UInt16(IFLA_INFO_KIND))
        mtuBytes = Int(attributes.uint32(UInt16(IFLA_MTU)) ?? 0)
        master = attributes.uint32(UInt16(IFLA_MASTER)).map(Int32.init(bitPattern:))
        hardwareAddress = attributes.bytes(UInt16(IFLA_ADDRESS)) ?? []
        flags = fixed.ifi_flags
    }
}

/// An IP address of an interface.
package struct InterfaceAddress: Hashable, Sendable {
    /// `IFA_F_*` flags that mean something to us.
    package struct Flags: OptionSet, Hashable, Sendable {
        package let rawValue: UInt32

        package init(rawValue: UInt32) {
            self.rawValue = rawValue
        }

        /// Usable at once: no search for duplicates (IPv6).
        package static let noDuplicateDetection = Flags(rawValue: UInt32(IFA_F_NODAD))
        /// The kernel adds no route to the address's prefix.
        package static let noPrefixRoute = Flags(rawValue: UInt32(IFA_F_NOPREFIXROUTE))
        /// Still being searched for duplicates (IPv6): cannot be bound yet.
        package static let tentative = Flags(rawValue: UInt32(IFA_F_TENTATIVE))
        /// Past its preferred lifetime.
        package static let deprecated = Flags(rawValue: UInt32(IFA_F_DEPRECATED))
        /// A changing address for privacy in IPv6 (RFC 8981), or a secondary one in IPv4: the kernel has one bit for both.
        package static let temporaryOrSecondary = Flags(rawValue: UInt32(IFA_F_SECONDARY))

        /// The flags that whoever adds an address chooses.
        package static let chosen: Flags = [.noDuplicateDetection, .noPrefixRoute]
    }

    package let interface: Int32
    package let address: IPAddress
    package let prefixLength: Int
    package let flags: Flags

    package init(_ address: IPAddress, prefixLength: Int, interface: Int32, flags: Flags = []) {
        self.interface = interface
        self.address = address
        self.prefixLength = prefixLength
        // IPv4 has no search for duplicates; the kernel does not keep the flag.
        self.flags = address.isIPv4 ? flags.subtracting(.noDuplicateDetection) : flags
    }

    /// The block that the address says its neighbours are in.
    package var prefix: IPPrefix? { IPPrefix(address, length: prefixLength) }

    /// Reads `RTM_NEWADDR` and `RTM_DELADDR`; `nil` for other messages and other families.
    package init?(parsing message: NetlinkMessage) {
        guard message.type == Int(RTM_NEWADDR) || message.type == Int(RTM_DELADDR),
            let fixed = message.structure(ifaddrmsg.self)
        else { return nil }
        let attributes = message.attributes(after: ifaddrmsg.self)
        // On a point-to-point link IFA_ADDRESS is the other end's, and IFA_LOCAL ours.
        guard
            let address = attributes.address(UInt16(IFA_LOCAL)) ?? attributes.address(UInt16(IFA_ADDRESS)),
            Int(fixed.ifa_prefixlen) <= address.bitCount
        else { return nil }
        self.init(
            address, prefixLength: Int(fixed.ifa_prefixlen), interface: Int32(bitPattern: fixed.ifa_index),
            flags: Flags(rawValue: attributes.uint32(UInt16(IFA_FLAGS)) ?? UInt32(fixed.ifa_flags)))
    }
}

/// Whom the kernel knows on a link: an address and the hardware that answers for it.
package struct Neighbour: Hashable, Sendable {
    package let interface: Int32
    package let address: IPAddress
    package let hardwareAddress: [UInt8]
    /// Heard from, not merely asked for: any state but incomplete, failed and the ones that need no resolution.
    package let isKnown: Bool

    package init(interface: Int32, address: IPAddress, hardwareAddress: [UInt8], isKnown: Bool) {
        self.interface = interface
        self.address = address
        self.hardwareAddress = hardwareAddress
        self.isKnown = isKnown
    }

    /// Reads `RTM_NEWNEIGH` and `RTM_DELNEIGH` of IPv4 and IPv6; `nil` for others.
    package init?(parsing message: NetlinkMessage) {
        guard message.type == Int(RTM_NEWNEIGH) || message.type == Int(RTM_DELNEIGH),
            let fixed = message.structure(ndmsg.self)
        else { return nil }
        let attributes = message.attributes(after: ndmsg.self)
        guard let address = attributes.address(UInt16(NDA_DST)) else { return nil }
        interface = fixed.ndm_ifindex
        self.address = address
        hardwareAddress = attributes.bytes(UInt16(NDA_LLADDR)) ?? []
        let known = NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT
        isKnown = Int32(fixed.ndm_state) & known != 0
    }
}
