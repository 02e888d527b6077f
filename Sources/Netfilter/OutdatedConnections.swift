import CNetfilter
import Glibc
import Netlink
import Wire

// A connection keeps the translation of its first packet. One that began before our rules, such as an unanswered ping or
// a UDP stream into the mesh, would go on without, or with Docker's masquerade, for as long as it sends.

/// A connection that the kernel tracks: its first packet's addresses, and those that answers have.
struct TrackedConnection: Hashable, Sendable {
    let family: UInt8
    let source: IPAddress
    let destination: IPAddress
    let answerSource: IPAddress
    let answerDestination: IPAddress
    /// What identifies it to the kernel: the first packet's tuple, and a number.
    fileprivate let tuple: [UInt8]
    fileprivate let id: [UInt8]?
    fileprivate let zone: [UInt8]?

    /// Reads `IPCTNL_MSG_CT_NEW`; `nil` for other messages and families.
    init?(parsing message: NetlinkMessage) {
        guard message.type >> 8 == Int(NFNL_SUBSYS_CTNETLINK), let header = message.structure(nfgenmsg.self) else {
            return nil
        }
        let attributes = message.attributes(after: nfgenmsg.self)
        guard let tuple = attributes.bytes(UInt16(CTA_TUPLE_ORIG.rawValue)),
            let first = Self.addresses(Attributes(parsing: tuple)),
            let answer = attributes.nested(UInt16(CTA_TUPLE_REPLY.rawValue)).flatMap(Self.addresses)
        else { return nil }
        family = header.nfgen_family
        (source, destination) = first
        (answerSource, answerDestination) = answer
        self.tuple = tuple
        id = attributes.bytes(UInt16(CTA_ID.rawValue))
        zone = attributes.bytes(UInt16(CTA_ZONE.rawValue))
    }

    private static func addresses(_ tuple: Attributes) -> (source: IPAddress, destination: IPAddress)? {
        guard let addresses = tuple.nested(UInt16(CTA_TUPLE_IP.rawValue)),
            let source = addresses.address(UInt16(CTA_IP_V4_SRC.rawValue))
                ?? addresses.address(UInt16(CTA_IP_V6_SRC.rawValue)),
            let destination = addresses.address(UInt16(CTA_IP_V4_DST.rawValue))
                ?? addresses.address(UInt16(CTA_IP_V6_DST.rawValue))
        else { return nil }
        return (source, destination)
    }

    fileprivate var deletion: MessageBuilder {
        let type = Int(NFNL_SUBSYS_CTNETLINK) << 8 | Int(IPCTNL_MSG_CT_DELETE.rawValue)
        let message = MessageBuilder(type: type, flags: NLM_F_REQUEST | NLM_F_ACK)
        message.put(structure: nfgenmsg(nfgen_family: family, version: UInt8(NFNETLINK_V0), res_id: 0))
        message.put(UInt16(CTA_TUPLE_ORIG.rawValue) | UInt16(NLA_F_NESTED), bytes: tuple)
        if let id { message.put(UInt16(CTA_ID.rawValue), bytes: id) }
        if let zone { message.put(UInt16(CTA_ZONE.rawValue), bytes: zone) }
        return message
    }
}

/// Tells connections that the rules would translate otherwise than they are.
struct ConnectionJudge: Sendable {
    private let meshPrefixes: [IPPrefix]
    private let blocks: [HostRules.Mapping]
    private let identities: [IPPrefix]
    private var meshOfContainer: [IPAddress: IPAddress] = [:]
    private var containerOfMesh: [IPAddress: IPAddress] = [:]

    init(_ rules: HostRules) {
        meshPrefixes = rules.meshPrefixes
        identities = rules.identities
        blocks = rules.mappings.filter { !$0.mesh.isSingleAddress }
        for mapping in rules.mappings where mapping.mesh.isSingleAddress {
            meshOfContainer[mapping.containers.address] = mapping.mesh.address
            containerOfMesh[mapping.mesh.address] = mapping.containers.address
        }
    }

    func isOutdated(_ connection: TrackedConnection) -> Bool {
        guard meshPrefixes.contains(where: { $0.contains(connection.destination) }) else { return false }
        // Answers go to what the source was translated to.
        if let mesh = meshAddress(of: connection.source), mesh != connection.answerDestination { return true }
        if let container = containerOfMesh[connection.destination] { return container != connection.answerSource }
        // In a block only what nobody translated: its first addresses may be the host's, with published ports.
        let isMapped = blocks.contains { $0.mesh.contains(connection.destination) }
        return isMapped && connection.answerSource == connection.destination
    }

    private func meshAddress(of container: IPAddress) -> IPAddress? {
        if let single = meshOfContainer[container] { return single }
        if identities.contains(where: { $0.contains(container) }) { return container }
        guard let block = blocks.first(where: { $0.containers.contains(container) }) else { return nil }
        let hostBits = zip(container.bytes, block.containers.maskBytes).map { $0 & ~$1 }
        return IPAddress(bytes: zip(block.mesh.address.bytes, hostBits).map { $0 | $1 })
    }
}

extension RuleSocket {
    /// Makes the kernel forget connections into the mesh that began before these rules; their next packet starts anew.
    ///
    /// To be called after the first `apply`, and after one that maps an address otherwise. Returns how many there were.
    @discardableResult
    package mutating func forgetOutdatedConnections(_ rules: HostRules) throws(RuleError) -> Int {
        let judge = ConnectionJudge(rules)
        let type = Int(NFNL_SUBSYS_CTNETLINK) << 8 | Int(IPCTNL_MSG_CT_GET.rawValue)
        let message = MessageBuilder(type: type, flags: NLM_F_REQUEST | NLM_F_DUMP)
        message.put(structure: nfgenmsg(nfgen_family: UInt8(AF_UNSPEC), version: UInt8(NFNETLINK_V0), res_id: 0))
        let answers = try request(message, reading: "the tracked connections") ?? []
        var count = 0
        for connection in answers.compactMap(TrackedConnection.init(parsing:)) where judge.isOutdated(connection) {
            // `nil`: it ended meanwhile.
            if try request(connection.deletion, reading: "a tracked connection") != nil { count += 1 }
        }
        return count
    }
}
