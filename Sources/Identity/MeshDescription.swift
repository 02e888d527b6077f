package import Wire

/// What every member knows about its mesh: the root's public key and how addresses are shared out.
package struct MeshDescription: Hashable, Sendable {
    package let rootPublicKey: Bytes32
    package let plan: AddressPlan

    package var id: MeshID { plan.meshID }

    /// `nil` unless `ipv4Range` suits an `AddressPlan`.
    package init?(rootPublicKey: Bytes32, ipv4Range: IPPrefix) {
        let meshID = MeshID(rootPublicKey: rootPublicKey)
        guard let plan = AddressPlan(meshID: meshID, ipv4Range: ipv4Range) else { return nil }
        self.rootPublicKey = rootPublicKey
        self.plan = plan
    }

    /// For the disk: version 1 (1), root public key (32), IPv4 range (6).
    package var encoded: [UInt8] {
        var writer = ByteWriter()
        writer.append(1 as UInt8)
        writer.append(rootPublicKey)
        writer.append(plan.ipv4Range)
        return writer.bytes
    }

    package init(parsing bytes: [UInt8]) throws(WireError) {
        var reader = ByteReader(bytes.span)
        try reader.readVersion()
        let rootPublicKey = try reader.readBytes32()
        let range = try reader.readPrefix()
        try reader.finish()
        guard let description = MeshDescription(rootPublicKey: rootPublicKey, ipv4Range: range) else {
            throw .invalidField("range")
        }
        self = description
    }
}
