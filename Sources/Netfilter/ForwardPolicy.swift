import CNetfilter
import Glibc
import Netlink

/// Who on this host drops forwarded packets, for `meshctl status`. Nothing is changed.
package struct ForwardPolicy: Hashable, Sendable {
    /// Whose chain it is, told by the chains that each of these programs always makes.
    package enum Owner: Hashable, Sendable {
        case docker
        case ufw
        case firewalld
        case unknown
    }

    /// A chain on the forward hook that drops, or rejects, what none of its rules accepts.
    package struct Drop: Hashable, Sendable {
        /// Such as "ip filter FORWARD".
        package let chain: String
        package let owner: Owner
        /// `ForwardAccept` has rules that let the mesh's packets pass it.
        package let isPassable: Bool

        package init(chain: String, owner: Owner, isPassable: Bool) {
            self.chain = chain
            self.owner = owner
            self.isPassable = isPassable
        }

        /// What to do about it; `nil` when nothing is to be done.
        package func nextStep(interface: String) -> String? {
            guard !isPassable else { return nil }
            return switch owner {
            case .docker: "Docker's chain DOCKER-USER lacks KubeMesh's rules: see the agent's log"
            case .ufw: "run: ufw route allow in on \(interface) && ufw route allow out on \(interface)"
            case .firewalld:
                "run: firewall-cmd --permanent --zone=trusted --add-interface=\(interface) && firewall-cmd --reload"
            case .unknown: "let packets of \(interface) pass the chain \(chain), in and out"
            }
        }
    }

    package let drops: [Drop]
    /// Tables of the old iptables that exist ("nat", "filter"...): their rules are not seen by nftables.
    package let legacyTables: [String]

    package static func read(by socket: inout RuleSocket) throws(RuleError) -> ForwardPolicy {
        let chains = try socket.chains()
        var drops: [Drop] = []
        for chain in chains where chain.isOnForwardHook && chain.table != .own {
            let owner = owner(of: chain.table, among: chains)
            // firewalld keeps the policy at accept, and rejects by its last rule.
            guard chain.policyIsDrop || owner == .firewalld else { continue }
            var isPassable = false
            if owner == .docker, ForwardAccept.tables.contains(chain.table) {
                let rules = try socket.rules(of: ForwardAccept.chain, in: chain.table) ?? []
                isPassable = rules.contains(where: \.isOurs)
            }
            drops.append(Drop(chain: "\(chain.table) \(chain.name)", owner: owner, isPassable: isPassable))
        }
        let legacy = legacyTables(in: "/proc/thread-self/net/ip_tables_names")
            .union(legacyTables(in: "/proc/thread-self/net/ip6_tables_names"))
        return ForwardPolicy(drops: drops, legacyTables: legacy.sorted())
    }

    private static func owner(of table: TableID, among chains: [ListedChain]) -> Owner {
        let names = Set(chains.filter { $0.table == table }.map(\.name))
        if table.name == "firewalld" { return .firewalld }
        if names.contains("ufw-before-forward") || names.contains("ufw6-before-forward") { return .ufw }
        if names.contains(ForwardAccept.chain) || names.contains("DOCKER") { return .docker }
        return .unknown
    }

    /// The file is there only where the old iptables is loaded; only root may read it.
    private static func legacyTables(in path: String) -> Set<String> {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return [] }
        defer { close(descriptor) }
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = max(unsafe Glibc.read(descriptor, &buffer, buffer.count), 0)
        let lines = buffer[..<count].split(separator: UInt8(ascii: "\n"))
        return Set(lines.map { String(decoding: $0, as: UTF8.self) })
    }
}

/// A chain as the kernel lists it.
struct ListedChain: Hashable, Sendable {
    let table: TableID
    let name: String
    let isOnForwardHook: Bool
    let policyIsDrop: Bool

    /// Reads `NFT_MSG_NEWCHAIN`.
    init?(parsing message: NetlinkMessage) {
        guard let header = message.structure(nfgenmsg.self) else { return nil }
        let attributes = message.attributes(after: nfgenmsg.self)
        guard let table = attributes.text(UInt16(NFTA_CHAIN_TABLE.rawValue)),
            let name = attributes.text(UInt16(NFTA_CHAIN_NAME.rawValue))
        else { return nil }
        self.table = TableID(family: header.nfgen_family, name: table)
        self.name = name
        let hook = attributes.nested(UInt16(NFTA_CHAIN_HOOK.rawValue))?.uint32(UInt16(NFTA_HOOK_HOOKNUM.rawValue))
        let routed = [NFPROTO_IPV4, NFPROTO_IPV6, NFPROTO_INET].map { UInt8($0) }
        isOnForwardHook =
            routed.contains(header.nfgen_family) && hook == NF_INET_FORWARD.rawValue.bigEndian
        policyIsDrop = attributes.uint32(UInt16(NFTA_CHAIN_POLICY.rawValue)) == UInt32(NF_DROP).bigEndian
    }
}

extension RuleSocket {
    /// The chains of all tables.
    fileprivate mutating func chains() throws(RuleError) -> [ListedChain] {
        let message = MessageBuilder(nftables: NFT_MSG_GETCHAIN, family: UInt8(AF_UNSPEC), flags: NLM_F_DUMP)
        return (try request(message, reading: "the chains") ?? []).compactMap(ListedChain.init(parsing:))
    }
}
