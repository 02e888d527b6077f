import Wire

/// Fields that several statements have in common.
extension ByteReader {
    /// One byte of length, then that many bytes of text.
    mutating func readText() throws(WireError) -> String {
        let count = Int(try readUInt8())
        guard let text = String(validating: try readBytes(count), as: UTF8.self) else { throw .invalidField("text") }
        return text
    }

    mutating func readNodeName() throws(WireError) -> NodeName {
        guard let name = NodeName(try readText()) else { throw .invalidField("name") }
        return name
    }

    mutating func readWallTime() throws(WireError) -> WallTime {
        WallTime(seconds: try readBigEndianUInt64())
    }

    /// One byte of count, then the prefixes.
    mutating func readPrefixes(limit: Int) throws(WireError) -> [IPPrefix] {
        let count = Int(try readUInt8())
        guard count <= limit else { throw .invalidField("prefix count") }
        var prefixes: [IPPrefix] = []
        for _ in 0..<count { prefixes.append(try readPrefix()) }
        return prefixes
    }

    mutating func readVersion(_ known: UInt8 = 1) throws(WireError) {
        let version = try readUInt8()
        guard version == known else { throw .unsupportedVersion(version) }
    }

    mutating func readSignature() throws(WireError) -> [UInt8] { try readBytes(64) }
}

extension ByteWriter {
    /// Precondition: `text` has at most 255 bytes; its type bounds it.
    mutating func append(text: String) {
        append(UInt8(text.utf8.count))
        append(Array(text.utf8))
    }

    mutating func append(_ time: WallTime) {
        append(bigEndian: time.seconds)
    }

    mutating func append(_ prefixes: [IPPrefix]) {
        append(UInt8(prefixes.count))
        for prefix in prefixes { append(prefix) }
    }
}
