import Crypto
import Identity
import Linux
import Mesh
import SansIO
import Services
import Store
import Wire

/// Keeps the node's state on disk, and what was changed on the host so that `down` can undo it.
///
/// A disk that refuses is reported once; the node goes on, and what was not written is tried again with the next change, or
/// after `retryInterval`.
final class StateKeeper {
    private enum Hint: String {
        case isUp
        case recentPeers
        case reachable
        case bootstrap
        case containerAddresses
        case portMappingSecret
        case mappedPorts
        case holdsMappings
    }

    let store: Store
    private let log: Log
    /// The store's last complaint, for `status`.
    private(set) var problem: String?
    /// When what the disk refused is tried again; `nil` while nothing waits.
    private(set) var retryAt: Instant?

    private static let retryInterval: Duration = .seconds(5)

    init(_ store: Store, log: Log) {
        self.store = store
        self.log = log
    }

    // MARK: reading

    func identity() throws(AgentError) -> StoredIdentity {
        do { return try store.identity() } catch { throw .store(error) }
    }

    /// Whether this host has joined a mesh, be its identity complete or not.
    var hasIdentity: Bool {
        // What cannot be read may be there: whoever asks is about to clean up.
        if case .none? = try? store.identity() { false } else { true }
    }

    /// Whether the mesh was up when the daemon last ran.
    var isUp: Bool { hint(.isUp) != nil }

    func restored() throws(AgentError) -> Node.Restored {
        var restored = Node.Restored()
        do {
            restored.records = try store.entries(in: .peers).map(\.value.bytes)
            restored.clients = try store.clients().map {
                Node.Client(attached: $0.client, presharedKey: $0.presharedKey)
            }
            restored.handshakeTimestamp = try store.counter(.handshakeTimestamp)
            restored.recordNumber = try store.counter(.recordNumber)
            restored.announcements = try store.entries(in: .announcements).map(\.value.bytes)
            restored.announcementNumber = try store.counter(.announcementNumber)
        } catch {
            throw .store(error)
        }
        restored.isReachable = hint(.reachable) != nil
        restored.recentPeers = lines(.recentPeers).compactMap { fields in
            guard let first = fields.first, let bytes = [UInt8](hexadecimal: first), let value = Bytes32(bytes) else {
                return nil
            }
            return Node.RecentPeer(node: NodeID(value), endpoint: fields.dropFirst().first.flatMap { Endpoint($0) })
        }
        restored.bootstrap = lines(.bootstrap).compactMap { fields in
            guard fields.count >= 2, let name = NodeName(fields[0]), let bytes = [UInt8](hexadecimal: fields[1]),
                let key = Bytes32(bytes)
            else { return nil }
            let port = fields.last.flatMap { $0.hasPrefix("tls:") ? UInt16($0.dropFirst(4)) : nil }
            return JoinToken.Bootstrap(
                name: name, tunnelKey: key, endpoints: fields.dropFirst(2).compactMap { Endpoint($0) },
                streamPort: port ?? 0)
        }
        return restored
    }

    // MARK: writing

    /// Writes a new identity; unlike the rest this must succeed, or the host would forget that it joined.
    func begin(_ identity: NodeIdentity, bootstrap: [JoinToken.Bootstrap]) throws(AgentError) {
        do {
            try store.forgetMesh()
            try store.save(identity)
        } catch {
            throw .store(error)
        }
        setHint(
            .bootstrap,
            bootstrap.map { node in
                [node.name.description, node.tunnelKey.description] + node.endpoints.map(\.description)
                    + ["tls:\(node.streamPort)"]
            })
    }

    func forgetIdentity() {
        attempt { try store.forgetMesh() }
    }

    func setUp(_ isUp: Bool) { setHint(.isUp, isUp ? [["1"]] : nil) }

    func apply(_ change: Node.StateChange, identity: NodeIdentity) {
        attempt {
            switch change {
            case .record(let node, let number, let encoded):
                let value = StoredValue(number: min(number, UInt64(Int64.max)), bytes: encoded)
                try store.save([StoreChange(.peers, node.bytes.bytes, value)])
            case .forgetRecord(let node): try store.save([StoreChange(.peers, node.bytes.bytes, nil)])
            case .handshakeTimestamp(let timestamp): try store.raise(.handshakeTimestamp, to: timestamp)
            case .recordNumber(let number): try store.raise(.recordNumber, to: number)
            case .announcement(let node, let part, let number, let encoded):
                let value = StoredValue(number: min(number, UInt64(Int64.max)), bytes: encoded)
                try store.save([StoreChange(.announcements, node.bytes.bytes + [part], value)])
            case .forgetAnnouncements(let node):
                try store.save(
                    (0..<Announcement.partLimit).map { StoreChange(.announcements, node.bytes.bytes + [$0], nil) })
            case .announcementNumber(let number): try store.raise(.announcementNumber, to: number)
            case .identity: try store.save(identity)
            case .recentPeers(let peers):
                setHint(
                    .recentPeers,
                    peers.map { peer in [peer.node.bytes.description] + [peer.endpoint?.description].compactMap { $0 } }
                )
            case .reachable(let isReachable): setHint(.reachable, isReachable ? [["1"]] : nil)
            }
        }
    }

    func save(_ client: Node.Client) throws(AgentError) {
        do { try store.save(client.attached, presharedKey: client.presharedKey) } catch { throw .store(error) }
    }

    /// Writes what the disk refused before, once that is due.
    func retry(at now: Instant) {
        guard let due = retryAt, due <= now else { return }
        attempt { try store.saveUnsaved() }
    }

    func remove(_ client: Node.Client) {
        attempt { try store.remove(client.attached) }
    }

    // MARK: services

    /// The catalog as it was last saved.
    func catalog(ownNode: String, serviceRanges: [IPPrefix]) throws(AgentError) -> Catalog {
        do {
            return try store.catalog(ownNode: ownNode, serviceRanges: serviceRanges)
        } catch {
            throw .store(error)
        }
    }

    /// Writes what the disk does not have yet; whether it has all now.
    func save(_ catalog: inout Catalog) -> Bool {
        attempt { try store.save(&catalog) }
        return catalog.unsavedRowCount == 0
    }

    // MARK: container addresses

    /// Addresses given to containers one by one: the container's, and its mesh address.
    var containerAddresses: [IPAddress: IPAddress] {
        get {
            var addresses: [IPAddress: IPAddress] = [:]
            for fields in lines(.containerAddresses) where fields.count == 2 {
                guard let container = IPAddress(fields[0]), let mesh = IPAddress(fields[1]) else { continue }
                addresses[container] = mesh
            }
            return addresses
        }
        set {
            guard newValue != containerAddresses else { return }
            setHint(
                .containerAddresses,
                newValue.sorted { $0.key < $1.key }.map { [$0.key.description, $0.value.description] })
        }
    }

    // MARK: port mapping

    /// What the nonces towards gateways are made from: made once, so that the next run finds the mappings of this one.
    func portMappingSecret() -> Secret {
        if let bytes = lines(.portMappingSecret).first?.first.flatMap({ [UInt8](hexadecimal: $0) }), bytes.count == 32 {
            return Secret(bytes)
        }
        let secret = Secret(SystemRandom.bytes(32))
        setHint(.portMappingSecret, [[secret.bytes.hexadecimal]])
        return secret
    }

    /// Whether gateways map ports for this host, or did so for an agent that was killed.
    var holdsMappings: Bool {
        get { hint(.holdsMappings) != nil }
        set { if newValue != holdsMappings { setHint(.holdsMappings, newValue ? [["1"]] : nil) } }
    }

    /// External ports that gateways gave, by local endpoint.
    var mappedPorts: [Endpoint: UInt16] {
        get {
            var ports: [Endpoint: UInt16] = [:]
            for fields in lines(.mappedPorts) where fields.count == 2 {
                guard let local = Endpoint(fields[0]), let port = UInt16(fields[1]) else { continue }
                ports[local] = port
            }
            return ports
        }
        set {
            guard newValue != mappedPorts else { return }
            setHint(
                .mappedPorts, newValue.sorted { $0.key < $1.key }.map { [$0.key.description, $0.value.description] })
        }
    }

    // MARK: changes of the host

    func remember(_ changes: [Sysctl.Change]) {
        attempt {
            let known = try store.entries(in: .hostChanges).count
            for (index, change) in changes.enumerated() {
                let text = change.previous + "\n" + change.current
                try store.save([
                    StoreChange(
                        .hostChanges, Array(change.setting.description.utf8),
                        StoredValue(number: UInt64(known + index), bytes: Array(text.utf8)))
                ])
            }
        }
    }

    /// Puts kernel settings back, the last changed first.
    func undoHostChanges() {
        attempt {
            let entries = try store.entries(in: .hostChanges).sorted { $0.value.number > $1.value.number }
            for entry in entries {
                let components = String(decoding: entry.key, as: UTF8.self).split(separator: "/").map(String.init)
                let values = String(decoding: entry.value.bytes, as: UTF8.self).split(
                    separator: "\n", omittingEmptySubsequences: false)
                if values.count == 2 {
                    let change = Sysctl.Change(
                        setting: Sysctl(components), previous: String(values[0]), current: String(values[1]))
                    do {
                        try Sysctl.restore(change)
                    } catch {
                        log.warning("a kernel setting could not be put back", ["reason": "\(error)"])
                    }
                }
                try store.save([StoreChange(.hostChanges, entry.key, nil)])
            }
        }
    }

    // MARK: steps

    private func attempt(_ body: () throws -> Void) {
        do {
            try body()
            if problem != nil, store.unsavedCount == 0 {
                problem = nil
                retryAt = nil
                log.info("state is written to disk again")
            }
        } catch {
            if problem == nil { log.error("state cannot be written to disk", ["reason": "\(error)"]) }
            problem = "\(error)"
            retryAt = SystemClock.now + Self.retryInterval
        }
    }

    private func hint(_ hint: Hint) -> [UInt8]? {
        // A hint that cannot be read is a hint that is not there.
        ((try? store.value(in: .hints, for: Array(hint.rawValue.utf8))) ?? nil)?.bytes
    }

    private func lines(_ hint: Hint) -> [[String]] {
        String(decoding: self.hint(hint) ?? [], as: UTF8.self).split(separator: "\n")
            .map { $0.split(separator: " ").map(String.init) }
    }

    private func setHint(_ hint: Hint, _ lines: [[String]]?) {
        let bytes = lines.map { Array($0.map { $0.joined(separator: " ") }.joined(separator: "\n").utf8) }
        attempt {
            try store.save([
                StoreChange(.hints, Array(hint.rawValue.utf8), bytes.map { StoredValue(bytes: $0) })
            ])
        }
    }
}
