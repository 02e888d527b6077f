import Wire

/// The bytes of a catalog's rows.
///
/// ```
/// key    kind of source (1), node, part; then class (1), namespace, name of an object, or nothing for the source itself
/// bytes  format (1), the object's fields, FNV-1a over key, format and fields (4)
/// ```
/// Texts have a 16-bit length before them, counts and indices are LEB128, other numbers big-endian.
enum CatalogRowCodec {
    static let format: UInt8 = 1

    /// What is known of a source beside its objects.
    struct Progress: Equatable {
        var number: UInt64?
        var mark: String?
    }

    // MARK: keys

    static func key(_ source: SourceID, _ key: ObjectKey?) -> [UInt8] {
        var writer = ByteWriter()
        writer.append(source.kind.rawValue)
        writer.append(text: source.node)
        writer.append(text: source.part)
        if let key { write(key, to: &writer) }
        return writer.bytes
    }

    static func write(_ key: ObjectKey, to writer: inout ByteWriter) {
        writer.append(key.objectClass.rawValue)
        switch key {
        case .service(let name):
            writer.append(text: name.namespace)
            writer.append(text: name.name)
        case .slice(let namespace, let name):
            writer.append(text: namespace)
            writer.append(text: name)
        case .node(let name):
            writer.append(text: "")
            writer.append(text: name)
        }
    }

    static func name(_ key: [UInt8]) throws(WireError) -> (source: SourceID, key: ObjectKey?) {
        var reader = ByteReader(key.span)
        guard let kind = SourceID.Kind(rawValue: try reader.readUInt8()) else { throw .invalidField("kind") }
        let source = SourceID(kind, node: try reader.readText(), part: try reader.readText())
        guard reader.remaining > 0 else { return (source, nil) }
        let key = try readKey(&reader)
        try reader.finish()
        return (source, key)
    }

    static func readKey(_ reader: inout ByteReader) throws(WireError) -> ObjectKey {
        guard let objectClass = ObjectClass(rawValue: try reader.readUInt8()) else { throw .invalidField("class") }
        let namespace = try reader.readText()
        let name = try reader.readText()
        return switch objectClass {
        case .services: .service(ServiceName(namespace: namespace, name: name))
        case .slices: .slice(namespace: namespace, name: name)
        case .nodes: .node(name)
        }
    }

    // MARK: values

    static func seal(_ key: [UInt8], _ write: (inout ByteWriter) -> Void) -> [UInt8] {
        var writer = ByteWriter()
        writer.append(format)
        write(&writer)
        writer.append(bigEndian: checksum(key, writer.bytes[...]))
        return writer.bytes
    }

    /// The fields inside a row, once its format and checksum are right.
    private static func open(_ key: [UInt8], _ bytes: [UInt8]) throws(WireError) -> ArraySlice<UInt8> {
        guard bytes.count >= 5 else { throw .truncated }
        guard bytes[0] == format else { throw .unsupportedVersion(bytes[0]) }
        let sum = bytes.suffix(4).reduce(0 as UInt32) { $0 << 8 | UInt32($1) }
        guard sum == checksum(key, bytes.dropLast(4)) else { throw .invalidField("checksum") }
        return bytes[1..<(bytes.count - 4)]
    }

    static func object(_ key: ObjectKey, _ rowKey: [UInt8], _ bytes: [UInt8]) throws(WireError) -> CatalogObject {
        let fields = try open(rowKey, bytes)
        var reader = ByteReader(fields.span)
        let object = try CatalogObject(key, parsing: &reader)
        try reader.finish()
        return object
    }

    static func progress(_ rowKey: [UInt8], _ bytes: [UInt8]) throws(WireError) -> Progress {
        let fields = try open(rowKey, bytes)
        var reader = ByteReader(fields.span)
        let flags = try reader.readUInt8()
        let number = try reader.readBigEndianUInt64()
        let mark = try reader.readText()
        try reader.finish()
        return Progress(number: flags & 1 != 0 ? number : nil, mark: flags & 2 != 0 ? mark : nil)
    }

    private static func checksum(_ key: [UInt8], _ fields: ArraySlice<UInt8>) -> UInt32 {
        var sum: UInt32 = 0x811c_9dc5
        for byte in key { sum = (sum ^ UInt32(byte)) &* 0x0100_0193 }
        for byte in fields { sum = (sum ^ UInt32(byte)) &* 0x0100_0193 }
        return sum
    }
}

extension CatalogRow {
    init(source: SourceID, _ key: ObjectKey, _ object: CatalogObject?) {
        self.key = CatalogRowCodec.key(source, key)
        guard let object else {
            bytes = nil
            return
        }
        bytes = CatalogRowCodec.seal(self.key) { object.writeFields(to: &$0) }
    }

    init(source: SourceID, _ progress: CatalogRowCodec.Progress) {
        key = CatalogRowCodec.key(source, nil)
        guard progress != CatalogRowCodec.Progress() else {
            bytes = nil
            return
        }
        bytes = CatalogRowCodec.seal(key) { writer in
            writer.append((progress.number == nil ? 0 : 1) | (progress.mark == nil ? 0 : 2))
            writer.append(bigEndian: progress.number ?? 0)
            writer.append(text: progress.mark ?? "")
        }
    }
}
