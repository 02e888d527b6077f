package import Wire

/// An object as bytes, for announcements: class (1), namespace, name, then the fields as in a row. No checksum: what
/// carries it is signed.
extension CatalogObject {
    package var encoded: [UInt8] {
        var writer = ByteWriter()
        CatalogRowCodec.write(key, to: &writer)
        writeFields(to: &writer)
        return writer.bytes
    }

    package init(parsing bytes: [UInt8]) throws(WireError) {
        var reader = ByteReader(bytes.span)
        let key = try CatalogRowCodec.readKey(&reader)
        self = try CatalogObject(key, parsing: &reader)
        try reader.finish()
    }

    func writeFields(to writer: inout ByteWriter) {
        switch self {
        case .service(let service): service.write(to: &writer)
        case .slice(let slice): slice.write(to: &writer)
        case .node(let node): node.write(to: &writer)
        }
    }

    init(_ key: ObjectKey, parsing reader: inout ByteReader) throws(WireError) {
        switch key {
        case .service(let name): self = .service(try Service(name: name, parsing: &reader))
        case .slice(let namespace, let name):
            self = .slice(try EndpointSlice(namespace: namespace, name: name, parsing: &reader))
        case .node(let name): self = .node(try ClusterNode(name: name, parsing: &reader))
        }
    }
}
