import Identity
import SansIO
import Traversal
import Wire

// Whom a node chooses as its watchers.
extension Node {
    private static let remoteContacts = 2

    private struct Contact {
        var number: Int
        var node: NodeID
        var isKept: Bool
        var isAnchor: Bool
        /// On a network of ours: what takes our uplink or our power takes its too.
        var isLocal: Bool
        var distance: Double
        var neighbourhood: IPPrefix?

        var order: (Int, Double, Int) { (isKept ? 0 : 1, distance, number) }
    }

    /// Two relays that are far from each other, or one if there is no other, and a relay nearby; whoever is there where there is
    /// none. Those that are contacts stay, unless relays come.
    func chosenContacts(at now: Instant) -> [NodeID] {
        let contacts = peers.connectedMembers.compactMap { contact($0, at: now) }.sorted { $0.order < $1.order }
        var chosen: [Contact] = []
        func take(upTo limit: Int, apart: Bool = false, _ isWanted: (Contact) -> Bool) {
            for contact in contacts where chosen.count < limit && isWanted(contact) {
                let isNear = chosen.contains {
                    $0.neighbourhood != nil && $0.neighbourhood == contact.neighbourhood
                }
                if apart && isNear || chosen.contains(where: { $0.number == contact.number }) { continue }
                chosen.append(contact)
            }
        }
        take(upTo: Self.remoteContacts, apart: true) { $0.isAnchor && !$0.isLocal }
        take(upTo: Self.remoteContacts) { $0.isAnchor && !$0.isLocal }
        take(upTo: max(Self.remoteContacts, chosen.count + 1), apart: false) { $0.isAnchor && $0.isLocal }
        // A member that offers nothing is not troubled where a relay will do.
        if chosen.isEmpty {
            take(upTo: Self.remoteContacts) { $0.isLocal }
            take(upTo: Self.remoteContacts) { _ in true }
        }
        return chosen.prefix(LivenessStatement.watcherLimit).map(\.node).sorted()
    }

    private func contact(_ number: Int, at now: Instant) -> Contact? {
        guard let peer = peers[number], let node = peer.nodeID, let path = peer.paths.current,
            liveness.ears[number]?.isSilent != true, liveness.disputes[node] == nil, !liveness.dead.contains(node)
        else { return nil }
        var address = peer.lastEndpoint?.address
        if case .direct(let endpoint) = path, !endpoint.isLink { address = endpoint.address }
        let isLocal = path.isDirect && address?.isPrivate == true
        return Contact(
            number: number, node: node, isKept: liveness.contacts.contains(node), isAnchor: peer.isAnchor,
            isLocal: isLocal, distance: peer.paths.statistics(of: path)?.roundTripTime?.seconds ?? 1,
            neighbourhood: address.flatMap { IPPrefix($0, length: $0.isIPv4 ? 24 : 48) })
    }
}
