import Crypto
package import Wire

/// Names a node for good: the BLAKE2s hash of its signing key.
package struct NodeID: Hashable, Comparable, Sendable {
    package let bytes: Bytes32

    package init(_ bytes: Bytes32) {
        self.bytes = bytes
    }

    package init(signingKey: Bytes32) {
        bytes = BLAKE2s.hash(Array("kubemesh node 1".utf8), signingKey.bytes)
    }

    package static func < (left: NodeID, right: NodeID) -> Bool { left.bytes < right.bytes }
}

extension NodeID: CustomStringConvertible {
    /// The first ten hexadecimal digits: enough for people to tell nodes apart.
    package var description: String { String(bytes.description.prefix(10)) }
}

/// Names a mesh for good: the BLAKE2s hash of its root public key.
package struct MeshID: Hashable, Comparable, Sendable {
    package let bytes: Bytes32

    package init(_ bytes: Bytes32) {
        self.bytes = bytes
    }

    package init(rootPublicKey: Bytes32) {
        bytes = BLAKE2s.hash(Array("kubemesh mesh 1".utf8), rootPublicKey.bytes)
    }

    package static func < (left: MeshID, right: MeshID) -> Bool { left.bytes < right.bytes }
}

extension MeshID: CustomStringConvertible {
    /// The first ten hexadecimal digits, which are also the digits of the mesh's IPv6 prefix.
    package var description: String { String(bytes.description.prefix(10)) }
}
