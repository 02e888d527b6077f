/// Where objects of a catalog come from, and which source's word counts where several define the same thing.
///
/// The order is the same on every node, since an announced object keeps its origin: the cluster's API before commands,
/// commands before manifests, manifests before what containers' labels imply; then the lowest node name, then the lowest
/// part. The first in this order defines a service; endpoints of all sources are united.
package struct SourceID: Hashable, Comparable, Sendable, CustomStringConvertible {
    package enum Kind: UInt8, Hashable, Sendable, CaseIterable {
        case kubernetes, commands, manifests, containers
        /// What the mesh itself knows of its nodes: their addresses, prefixes and zones.
        case mesh
    }

    package var kind: Kind
    /// The node whose source it is, this one's too; empty for an API that speaks for all.
    package var node: String
    /// What tells sources of one kind on one node apart: a manifest's file.
    package var part: String

    package init(_ kind: Kind, node: String = "", part: String = "") {
        self.kind = kind
        self.node = node
        self.part = part
    }

    package static func < (left: SourceID, right: SourceID) -> Bool {
        (left.kind.rawValue, left.node, left.part) < (right.kind.rawValue, right.node, right.part)
    }

    package var description: String {
        [node, "\(kind)", part].filter { !$0.isEmpty }.joined(separator: " ")
    }
}
