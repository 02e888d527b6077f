import CNetfilter
import Glibc
import Netlink
import SansIO
import Testing
import Wire

/// A link notice as the kernel makes it: bridge port "veth1", index 7, MTU 1400, up, in the bridge of index 3.
private func linkMessage() -> [UInt8] {
    let message = MessageBuilder(type: RTM_NEWLINK, flags: 0)
    var fixed = ifinfomsg()
    fixed.ifi_index = 7
    fixed.ifi_flags = UInt32(IFF_UP)
    message.put(structure: fixed)
    message.put(UInt16(IFLA_IFNAME), text: "veth1")
    message.put(UInt16(IFLA_MTU), 1400)
    message.put(UInt16(IFLA_MASTER), 3)
    message.put(UInt16(IFLA_ADDRESS), bytes: [2, 0, 0, 0, 0, 1])
    message.nest(UInt16(IFLA_LINKINFO)) { $0.put(UInt16(IFLA_INFO_KIND), text: "veth") }
    return message.bytes
}

@Suite struct NetlinkMessageTests {
    @Test func `a link notice is read field by field`() throws {
        let messages = NetlinkMessage.split(linkMessage())
        #expect(messages.count == 1)
        let expected = Link(
            index: 7, name: "veth1", kind: "veth", mtuBytes: 1400, master: 3, hardwareAddress: [2, 0, 0, 0, 0, 1],
            flags: UInt32(IFF_UP))
        #expect(messages.first.flatMap { RouteEvent(parsing: $0) } == .linkChanged(expected))
        #expect(expected.isUp && !expected.isRunning && !expected.isBridge)
    }

    @Test func `several messages of one datagram are told apart`() {
        let one = linkMessage()
        #expect(NetlinkMessage.split(one + one + one).count == 3)
    }

    @Test func `a datagram cut at any length gives no message and no crash`() {
        let whole = linkMessage()
        for length in whole.indices {
            #expect(NetlinkMessage.split(Array(whole[..<length])).isEmpty)
        }
    }

    @Test func `attributes cut at any length give only those that are whole`() throws {
        let whole = Array(linkMessage().dropFirst(32))
        let count = [IFLA_IFNAME, IFLA_MTU, IFLA_MASTER, IFLA_ADDRESS, IFLA_LINKINFO]
        for length in whole.indices {
            let attributes = Attributes(parsing: Array(whole[..<length]))
            let present = count.filter { attributes.bytes(UInt16($0)) != nil }
            #expect(present.count < count.count)
            if let text = attributes.text(UInt16(IFLA_IFNAME)) { #expect(text == "veth1") }
        }
        #expect(count.allSatisfy { Attributes(parsing: whole).bytes(UInt16($0)) != nil })
    }

    @Test func `mutated messages are read or refused, never more`() {
        var random = SeededRandom(seed: 7)
        let whole = linkMessage()
        for _ in 0..<20_000 {
            var bytes = whole
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                bytes[Int.random(in: bytes.indices, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            for message in NetlinkMessage.split(bytes) {
                #expect(message.bytes.count <= bytes.count)
                if case .linkChanged(let link) = RouteEvent(parsing: message) {
                    #expect(link.name.utf8.count < bytes.count * 3)
                }
            }
        }
    }

    @Test func `an acknowledgement of success is no refusal, an error is`() throws {
        for (error, expected) in [(Int32(0), nil), (-EEXIST, EEXIST)] {
            let message = MessageBuilder(type: Int(NLMSG_ERROR), flags: 0)
            message.put(structure: nlmsgerr(error: error, msg: nlmsghdr()))
            let parsed = try #require(NetlinkMessage.split(message.bytes).first)
            #expect(parsed.refusal?.code == expected)
        }
    }

    @Test func `the kernel's own words are kept with a refusal`() throws {
        let message = MessageBuilder(type: Int(NLMSG_ERROR), flags: NLM_F_ACK_TLVS | NLM_F_CAPPED)
        message.put(structure: nlmsgerr(error: -EINVAL, msg: nlmsghdr()))
        message.put(UInt16(NLMSGERR_ATTR_MSG.rawValue), text: "Invalid scope")
        let refusal = try #require(NetlinkMessage.split(message.bytes).first?.refusal)
        #expect(refusal.code == EINVAL)
        #expect(refusal.explanation == "Invalid scope")
        let error = NetlinkError.refused(
            action: "add route", object: "to 10.0.0.0/8", code: refusal.code, explanation: refusal.explanation)
        #expect(error.description.hasPrefix("cannot add route to 10.0.0.0/8: Invalid scope; "))
    }

    @Test func `an address notice of a point-to-point link gives the local end`() throws {
        let message = MessageBuilder(type: RTM_NEWADDR, flags: 0)
        var fixed = ifaddrmsg()
        fixed.ifa_family = UInt8(AF_INET)
        fixed.ifa_prefixlen = 32
        fixed.ifa_index = 5
        message.put(structure: fixed)
        message.put(UInt16(IFA_ADDRESS), bytes: [10, 0, 0, 2])
        message.put(UInt16(IFA_LOCAL), bytes: [10, 0, 0, 1])
        let parsed = try #require(NetlinkMessage.split(message.bytes).first)
        let expected = InterfaceAddress(.v4(IPv4Address(10, 0, 0, 1)), prefixLength: 32, interface: 5)
        #expect(RouteEvent(parsing: parsed) == .addressAdded(expected))
    }

    @Test func `an address notice with an impossible prefix length is refused`() throws {
        let message = MessageBuilder(type: RTM_NEWADDR, flags: 0)
        var fixed = ifaddrmsg()
        fixed.ifa_family = UInt8(AF_INET)
        fixed.ifa_prefixlen = 33
        message.put(structure: fixed)
        message.put(UInt16(IFA_LOCAL), bytes: [10, 0, 0, 1])
        let parsed = try #require(NetlinkMessage.split(message.bytes).first)
        #expect(RouteEvent(parsing: parsed) == nil)
    }
}
