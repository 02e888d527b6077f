import CNetfilter
package import Netlink

/// What others have changed in the packet filter that concerns us.
package struct RuleChanges: OptionSet, Hashable, Sendable {
    package let rawValue: UInt8

    package init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    /// Chains or rules where forwarded packets are accepted or dropped: run `ForwardAccept.ensure`.
    package static let forwarding = RuleChanges(rawValue: 1)
    /// Our own table, such as by `nft flush ruleset`: apply the rules again.
    package static let ownTable = RuleChanges(rawValue: 2)
    /// The tables of services: run `ServiceTable.repair`.
    package static let services = RuleChanges(rawValue: 4)

    /// What one notice means; empty for what is not our business.
    package init(parsing message: NetlinkMessage) {
        guard message.type >> 8 == Int(NFNL_SUBSYS_NFTABLES), let header = message.structure(nfgenmsg.self) else {
            self = []
            return
        }
        let attributes = message.attributes(after: nfgenmsg.self)
        // Tables, chains, rules, sets and elements all bear their table's name in the first attribute.
        guard let name = attributes.text(UInt16(NFTA_TABLE_NAME.rawValue)) else {
            self = []
            return
        }
        let table = TableID(family: header.nfgen_family, name: name)
        if table == .own {
            self = .ownTable
        } else if ServiceFamily.both.contains(where: { $0.table == table }) {
            self = .services
        } else if ForwardAccept.tables.contains(table) {
            self = .forwarding
        } else {
            self = []
        }
    }
}

/// The kernel's notices of changes by others in the packet filter, on a non-blocking descriptor for an event loop.
package struct RuleEvents: ~Copyable {
    /// Datagrams taken in one call, so that a storm of notices does not hold up the loop.
    private static let datagramsPerRead = 64

    private let socket: NetlinkSocket
    private let ownPortID: UInt32

    /// Notices of what `rules` itself changed are left out: answering those would never end.
    package init(ignoring rules: borrowing RuleSocket) throws(RuleError) {
        ownPortID = rules.portID
        do {
            let opened = try NetlinkSocket(.netfilter, groups: [NFNLGRP_NFTABLES.rawValue])
            // A load of services is a hundred thousand notices, which would crowd out all others.
            try opened.ignoreNotices(causedBy: ownPortID)
            socket = opened
        } catch {
            throw .netlink(error)
        }
    }

    package var fileDescriptor: Int32 { socket.fileDescriptor }

    /// What has happened since the last call; everything, when notices were lost.
    package func read() throws(RuleError) -> RuleChanges {
        var changes: RuleChanges = []
        for _ in 0..<Self.datagramsPerRead {
            switch try receive() {
            case .empty: return changes
            case .overrun: changes.formUnion([.forwarding, .ownTable, .services])
            case .datagram(let bytes):
                for message in NetlinkMessage.split(bytes) where message.portID != ownPortID {
                    changes.formUnion(RuleChanges(parsing: message))
                }
            }
        }
        return changes
    }

    private func receive() throws(RuleError) -> NetlinkSocket.Reception {
        do {
            return try socket.receive()
        } catch {
            throw .netlink(error)
        }
    }
}
