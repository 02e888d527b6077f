package import Wire

/// Where an address that is unique only on its node is reached from the rest of the mesh.
///
/// Docker gives 172.17.0.2 on every host; each node has a certified prefix of the mesh's own, onto which its containers'
/// prefix is mapped as a whole, or address by address. What is not mapped is reached as it is.
package struct AddressTranslation: Equatable, Sendable {
    private struct Mapping: Equatable, Sendable {
        var from: IPPrefix
        var to: IPPrefix
    }

    private struct Origin: Equatable, Sendable {
        var node: String
        var from: IPPrefix
    }

    /// By node, longest prefix first.
    private var mappings: [String: [Mapping]] = [:]
    private var origins: [IPPrefix: Origin] = [:]

    package init() {}

    package var isEmpty: Bool { mappings.isEmpty }

    /// Maps a prefix of a node onto one of the mesh, address by address in order; a later mapping of the same prefix
    /// replaces the earlier. Prefixes of different lengths or families map nothing.
    package mutating func map(_ from: IPPrefix, on node: String, to: IPPrefix) {
        guard from.length == to.length, from.isIPv4 == to.isIPv4 else { return }
        if let old = mappings[node]?.first(where: { $0.from == from }) { origins[old.to] = nil }
        mappings[node]?.removeAll { $0.from == from }
        mappings[node, default: []].append(Mapping(from: from, to: to))
        mappings[node]?.sort { ($1.from.length, $0.from) < ($0.from.length, $1.from) }
        origins[to] = Origin(node: node, from: from)
    }

    /// Maps nothing of this node any more.
    package mutating func removeMappings(of node: String) {
        for mapping in mappings.removeValue(forKey: node) ?? [] where origins[mapping.to]?.node == node {
            origins[mapping.to] = nil
        }
    }

    /// Nodes whose mappings are not the same in both.
    package func nodes(differingFrom other: AddressTranslation) -> Set<String> {
        guard self != other else { return [] }
        return Set(mappings.keys).union(other.mappings.keys).filter { mappings[$0] != other.mappings[$0] }
    }

    /// The address under which other nodes reach `address` of `node`.
    package func meshAddress(of address: IPAddress, on node: String?) -> IPAddress {
        guard let node, let mapping = mappings[node]?.first(where: { $0.from.contains(address) }) else {
            return address
        }
        return address.moved(from: mapping.from, to: mapping.to)
    }

    /// The node, and the address on it, that a mesh address stands for; `nil` for one that nothing is mapped to.
    package func origin(of meshAddress: IPAddress) -> (node: String, address: IPAddress)? {
        for length in stride(from: meshAddress.bitCount, through: 0, by: -1) {
            guard let prefix = IPPrefix(meshAddress, length: length), let origin = origins[prefix] else { continue }
            return (origin.node, meshAddress.moved(from: prefix, to: origin.from))
        }
        return nil
    }
}

extension IPAddress {
    /// The address as far into `to` as this one is into `from`, which has the same length and family.
    fileprivate func moved(from: IPPrefix, to: IPPrefix) -> IPAddress {
        switch (self, from.address, to.address) {
        case (.v4(let address), .v4(let base), .v4(let target)):
            .v4(IPv4Address(rawValue: target.rawValue | (address.rawValue ^ base.rawValue)))
        case (.v6(let address), .v6(let base), .v6(let target)):
            .v6(IPv6Address(high: target.high | (address.high ^ base.high), low: target.low | (address.low ^ base.low)))
        default: self
        }
    }
}
