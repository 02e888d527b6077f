package import Wire

/// What one node tells all others of its services: the objects of its own sources, and where containers whose addresses are
/// unique only there are reached.
///
/// It travels in parts that change each by itself; an object stays in its part, which the hash of its name chooses. A part, in
/// bytes: version 1 (1), number of mappings (2), for each from and to (family and address 5 or 17, length 1), then objects to the
/// end: kind of source (1), length (2), object as in `CatalogObject.encoded`. Mappings stand in part 0.
package struct ServiceAnnouncement: Equatable, Sendable {
    /// A prefix on the node, and the mesh's that stands for it.
    package struct Mapping: Hashable, Comparable, Sendable {
        package var from: IPPrefix
        package var to: IPPrefix

        package init(from: IPPrefix, to: IPPrefix) {
            self.from = from
            self.to = to
        }

        package static func < (left: Mapping, right: Mapping) -> Bool { (left.from, left.to) < (right.from, right.to) }
    }

    /// Whose objects others are told: what one node defines, not what a cluster's API tells everybody.
    package static let kinds: [SourceID.Kind] = [.commands, .manifests, .containers]

    package var mappings: [Mapping] = []
    /// By kind of source, each object once.
    package var objects: [SourceID.Kind: [CatalogObject]] = [:]

    package init() {}

    /// What a catalog's own sources say; of two objects with one name in one kind of source the first source's.
    package init(of catalog: Catalog, mappings: [Mapping]) {
        self.mappings = mappings.sorted()
        var seen: Set<KindAndKey> = []
        for source in catalog.knownSources where source.node == catalog.ownNode && Self.kinds.contains(source.kind) {
            for object in catalog.objects(of: source)
            where seen.insert(KindAndKey(kind: source.kind, key: object.key)).inserted {
                objects[source.kind, default: []].append(object)
            }
        }
    }

    private struct KindAndKey: Hashable {
        var kind: SourceID.Kind
        var key: ObjectKey
    }

    // MARK: bytes

    /// The parts that carry it, and how many objects found no room; parts without anything are missing.
    ///
    /// - Parameters:
    ///   - partCount: 1 or more.
    ///   - limitBytes: of one part.
    package func parts(_ partCount: Int, limitBytes: Int) -> (parts: [UInt8: [UInt8]], leftOut: Int) {
        var writers: [Int: ByteWriter] = [:]
        var leftOut = 0
        if !mappings.isEmpty { writers[0] = Self.head(mappings, limitBytes, &leftOut) }
        for kind in Self.kinds {
            for object in (objects[kind] ?? []).sorted(by: { $0.key < $1.key }) {
                let encoded = object.encoded
                let part = Int(object.key.stableHash % UInt64(partCount))
                var writer = writers[part] ?? Self.head([], limitBytes, &leftOut)
                guard encoded.count <= Int(UInt16.max), writer.count + 3 + encoded.count <= limitBytes else {
                    leftOut += 1
                    continue
                }
                writer.append(kind.rawValue)
                writer.append(lengthPrefixed: encoded)
                writers[part] = writer
            }
        }
        var parts: [UInt8: [UInt8]] = [:]
        for (number, writer) in writers { parts[UInt8(number)] = writer.bytes }
        return (parts, leftOut)
    }

    private static func head(_ mappings: [Mapping], _ limitBytes: Int, _ leftOut: inout Int) -> ByteWriter {
        let room = max(0, (limitBytes - 3) / 36)
        let kept = mappings.prefix(min(room, Int(UInt16.max)))
        leftOut += mappings.count - kept.count
        var writer = ByteWriter()
        writer.append(1 as UInt8)
        writer.append(bigEndian: UInt16(kept.count))
        for mapping in kept {
            writer.append(mapping.from)
            writer.append(mapping.to)
        }
        return writer
    }

    /// Reads one part; an empty one says nothing.
    package init(parsing bytes: [UInt8]) throws(WireError) {
        guard !bytes.isEmpty else { return }
        var reader = ByteReader(bytes.span)
        let version = try reader.readUInt8()
        guard version == 1 else { throw .unsupportedVersion(version) }
        for _ in 0..<(try reader.readBigEndianUInt16()) {
            mappings.append(Mapping(from: try reader.readPrefix(), to: try reader.readPrefix()))
        }
        while reader.remaining > 0 {
            guard let kind = SourceID.Kind(rawValue: try reader.readUInt8()), Self.kinds.contains(kind) else {
                throw .invalidField("kind of source")
            }
            objects[kind, default: []].append(try CatalogObject(parsing: try reader.readLengthPrefixedBytes()))
        }
    }

    // MARK: meaning

    /// What a catalog is told when a part of `node`'s announcement has arrived.
    ///
    /// A node speaks for itself: of nodes it describes none but itself, and of itself only the containers; endpoints of
    /// containers are its own.
    ///
    /// - Parameter isKnown: whether the catalog has heard of a source.
    package func changes(
        from node: String, part: UInt8, number: UInt64, isKnown: (SourceID) -> Bool
    ) -> [CatalogChange] {
        Self.kinds.compactMap { kind in
            let source = SourceID(kind, node: node, part: "#\(part)")
            let believed = (objects[kind] ?? []).compactMap { Self.believed($0, of: kind, from: node) }
            guard !believed.isEmpty || isKnown(source) else { return nil }
            return .everything(believed, from: source, number: number)
        }
    }

    private static func believed(_ object: CatalogObject, of kind: SourceID.Kind, from node: String) -> CatalogObject? {
        switch object {
        case .service: return object
        case .slice(var slice):
            guard kind == .containers else { return object }
            slice.members.removeAll { $0.nodeName != node }
            return .slice(slice)
        case .node(let described):
            guard described.name == node else { return nil }
            var own = ClusterNode(name: node)
            own.containers = described.containers
            return .node(own)
        }
    }
}

extension ObjectKey {
    /// The same in every run and on every machine.
    var stableHash: UInt64 {
        var writer = ByteWriter()
        CatalogRowCodec.write(self, to: &writer)
        return writer.bytes.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01b3 }
    }
}
