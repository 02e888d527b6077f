import Wire

// A connection keeps the translation of its first packet. One that began before our rules, such as an unanswered ping or
// a UDP stream into the mesh, would go on without, or with Docker's masquerade, for as long as it sends.

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
        var outdated: [TrackedConnection] = []
        try forEachConnection { connection in
            if judge.isOutdated(connection) { outdated.append(connection) }
        }
        var count = 0
        for connection in outdated where try forget(connection) { count += 1 }
        return count
    }
}
