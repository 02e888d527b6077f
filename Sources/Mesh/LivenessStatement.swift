import Identity
import Wire

/// What a node says to the whole mesh about who is alive: its last announcement's payload (`Announcement.livenessPart`).
///
/// Encoded, big-endian: version 1 (1), how many watchers (1), their identifiers' first eight bytes each, then those of the nodes
/// that the author watches and does not hear.
struct LivenessStatement: Equatable, Sendable {
    static let watcherLimit = 3
    static let silentLimit = 1024

    /// Who is to tell the mesh when the author is silent. Nobody else's word about it counts.
    var watchers: [UInt64] = []
    /// Nodes that have named the author as their watcher, in order.
    var silent: [UInt64] = []

    /// Empty when there is nothing to say, so that the announcement is taken back.
    var encoded: [UInt8] {
        guard !watchers.isEmpty || !silent.isEmpty else { return [] }
        var writer = ByteWriter(capacity: 2 + 8 * (watchers.count + silent.count))
        writer.append(1 as UInt8)
        writer.append(UInt8(min(watchers.count, Self.watcherLimit)))
        for node in watchers.prefix(Self.watcherLimit) { writer.append(bigEndian: node) }
        for node in silent.prefix(Self.silentLimit) { writer.append(bigEndian: node) }
        return writer.bytes
    }

    init(watchers: [UInt64] = [], silent: [UInt64] = []) {
        self.watchers = watchers
        self.silent = silent
    }

    init(parsing bytes: [UInt8]) throws(WireError) {
        guard !bytes.isEmpty else { return }
        var reader = ByteReader(bytes.span)
        let version = try reader.readUInt8()
        guard version == 1 else { throw .unsupportedVersion(version) }
        let count = try reader.readUInt8()
        guard count <= Self.watcherLimit else { throw .invalidField("watcher count") }
        for _ in 0..<count { watchers.append(try reader.readBigEndianUInt64()) }
        while reader.remaining > 0 {
            guard silent.count < Self.silentLimit else { throw .invalidField("silent count") }
            silent.append(try reader.readBigEndianUInt64())
        }
    }
}
