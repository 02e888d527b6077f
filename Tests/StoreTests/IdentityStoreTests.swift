import Crypto
import Identity
import Testing
import Wire

@testable import Store

@Suite struct IdentityStoreTests {
    private let directory = TemporaryDirectory()
    private var random = SecureRandom(seed: Secret([UInt8](repeating: 1, count: 32)))
    private let now = WallTime(seconds: 1_790_000_000)

    private mutating func identity() throws -> NodeIdentity {
        NodeIdentity.createMesh(
            name: try #require(NodeName("hub-1")), ipv4Range: try #require(IPPrefix("10.128.0.0/9")), now: now,
            using: &random)
    }

    @Test mutating func `an identity with its clients is there after a restart`() throws {
        var identity = try identity()
        var store: Store? = try Store(directory: directory.path)
        guard case .none? = try store?.identity() else {
            Issue.record("a new store holds no identity")
            return
        }
        try store?.save(identity)
        for name in ["tablet", "phone"] {
            let key = try #require(Bytes32(random.bytes(32)))
            let client = try identity.admitClient(
                publicKey: key, name: try #require(NodeName(name)), now: now, taken: [])
            try store?.save(client, presharedKey: identity.secrets.presharedKey(forClient: key))
        }
        store = nil
        store = try Store(directory: directory.path)
        guard case .present(let restored)? = try store?.identity() else {
            Issue.record("no identity")
            return
        }
        #expect(restored.chain == identity.chain)
        #expect(Set(restored.clients.map(\.name)) == Set(identity.clients.map(\.name)))
        #expect(restored.issuer != nil)
        let clients = try #require(store).clients()
        for (client, presharedKey) in clients {
            #expect(presharedKey == identity.secrets.presharedKey(forClient: client.publicKey))
        }
        try store?.remove(clients[0].client)
        #expect(try store?.clients().map(\.client) == [clients[1].client])
    }

    @Test mutating func `parts that do not belong together are no identity`() throws {
        let store = try Store(directory: directory.path)
        try store.save(identity())
        try store.save(secrets: [.tunnelKey: [UInt8](repeating: 9, count: 32)])
        guard case .unusable = try store.identity() else {
            Issue.record("a foreign tunnel key was taken")
            return
        }
    }

    @Test mutating func `forgetting the mesh keeps what is to be undone on the host`() throws {
        let store = try Store(directory: directory.path)
        try store.save(identity())
        try store.raise(.recordNumber, to: 9)
        try store.save([StoreChange(.hostChanges, [1], StoredValue(number: 1, bytes: [2]))])
        try store.forgetMesh()
        guard case .none = try store.identity() else {
            Issue.record("the identity is still there")
            return
        }
        #expect(try store.counter(.recordNumber) == 0)
        #expect(try store.entries(in: .hostChanges).count == 1)
    }
}
