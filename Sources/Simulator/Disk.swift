import Identity
package import Mesh

/// What a node had written to its disk, its identity apart.
package struct Disk: Sendable {
    private var state: Node.Restored
    private var records: [NodeID: [UInt8]] = [:]
    private var announcements: [NodeID: [UInt8: [UInt8]]] = [:]

    package init(_ state: Node.Restored = Node.Restored()) {
        self.state = state
    }

    /// What the node finds when it starts.
    package var restored: Node.Restored {
        var restored = state
        restored.records += records.sorted { $0.key < $1.key }.map(\.value)
        for (_, parts) in announcements.sorted(by: { $0.key < $1.key }) {
            restored.announcements += parts.sorted { $0.key < $1.key }.map(\.value)
        }
        return restored
    }

    /// What is left when all but the identity is lost: no handshake may ever carry an earlier timestamp.
    package var remainder: Node.Restored {
        var remainder = Node.Restored()
        remainder.handshakeTimestamp = state.handshakeTimestamp
        return remainder
    }

    package mutating func save(_ change: Node.StateChange) {
        switch change {
        case .record(let node, _, let encoded): records[node] = encoded
        case .forgetRecord(let node): records[node] = nil
        case .handshakeTimestamp(let timestamp): state.handshakeTimestamp = timestamp
        case .recordNumber(let number): state.recordNumber = number
        case .announcement(let node, let part, _, let encoded): announcements[node, default: [:]][part] = encoded
        case .forgetAnnouncements(let node): announcements[node] = nil
        case .announcementNumber(let number): state.announcementNumber = number
        case .recentPeers(let peers): state.recentPeers = peers
        case .reachable(let isReachable): state.isReachable = isReachable
        case .identity: break
        }
    }
}
