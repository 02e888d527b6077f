import Identity
import SansIO
import Testing
import Wire

@testable import Mesh

/// What a node announces reaches every member, and nobody else's word about it counts.
@Suite struct NodeAnnouncementTests {
    /// A hub and two that are behind NATs.
    private func mesh() -> VirtualMesh {
        let mesh = VirtualMesh()
        let token = mesh.create("hub", at: "198.18.1.2:20007")
        mesh.join("one", at: "192.168.1.2:20007", behind: "198.18.2.2", with: token)
        mesh.join("two", at: "192.168.2.2:20007", behind: "198.18.3.2", with: token)
        mesh.run(for: .seconds(5))
        return mesh
    }

    private func node(_ mesh: VirtualMesh, _ name: String) throws -> Node { try #require(mesh.hosts[name]).node }

    /// The payloads that a host knows of another one, by part.
    private func known(_ mesh: VirtualMesh, by name: String, of other: String) throws -> [UInt8: [UInt8]] {
        let identifier = try node(mesh, other).identity.nodeID
        let announced = try node(mesh, name).announced.filter { $0.node == identifier }
        return Dictionary(uniqueKeysWithValues: announced.map { ($0.part, $0.payload) })
    }

    @Test func `an announcement is everywhere within a second, and so is each change`() throws {
        let mesh = mesh()
        let large = [UInt8](repeating: 9, count: Announcement.payloadLimitBytes)
        mesh.with("one") { $0.announce([0: [1, 2, 3], 5: large], at: $1) }
        mesh.run(for: .seconds(1))
        for name in ["hub", "two"] { #expect(try known(mesh, by: name, of: "one") == [0: [1, 2, 3], 5: large]) }
        mesh.with("one") { $0.announce([0: [4]], at: $1) }
        mesh.run(for: .seconds(1))
        for name in ["hub", "two"] { #expect(try known(mesh, by: name, of: "one") == [0: [4], 5: []]) }
        #expect(
            try #require(mesh.hosts["two"]).events.filter { if case .announced = $0 { true } else { false } }.count == 4
        )
    }

    @Test func `announcing the same again costs nothing`() throws {
        let mesh = mesh()
        mesh.with("one") { $0.announce([0: [1]], at: $1) }
        mesh.run(for: .seconds(1))
        mesh.with("one") { node, now in
            _ = node.takeActions()
            node.announce([0: [1]], at: now)
            #expect(node.takeActions().isEmpty)
        }
    }

    @Test func `who comes later, or was away, gets what it missed`() throws {
        let mesh = mesh()
        mesh.cut("two", true)
        mesh.with("one") { $0.announce([0: [1]], at: $1) }
        mesh.run(for: .seconds(30))
        mesh.with("one") { $0.announce([0: [2]], at: $1) }
        #expect(try known(mesh, by: "two", of: "one") == [:])
        mesh.cut("two", false)
        mesh.join("three", at: "198.18.5.2:20007", with: mesh.invite(from: "hub", uses: 1))
        mesh.run(for: .seconds(30))
        for name in ["two", "three"] { #expect(try known(mesh, by: name, of: "one") == [0: [2]]) }
    }

    @Test func `it survives a restart of its readers and of its author, even of one that lost its state`() throws {
        let mesh = mesh()
        mesh.with("one") { $0.announce([0: [1]], at: $1) }
        mesh.run(for: .seconds(2))
        let two = try #require(mesh.hosts["two"])
        mesh.add("two", two.node.identity, two.address, outside: two.outside, VirtualMesh.restored(from: two.saved))
        #expect(try known(mesh, by: "two", of: "one") == [0: [1]])
        let one = try #require(mesh.hosts["one"])
        var restored = VirtualMesh.restored(from: one.saved)
        restored.announcementNumber = 0
        mesh.add("one", one.node.identity, one.address, outside: one.outside, restored)
        mesh.with("one") { $0.announce([0: [7]], at: $1) }
        mesh.run(for: .seconds(30))
        for name in ["hub", "two"] { #expect(try known(mesh, by: name, of: "one") == [0: [7]]) }
    }

    @Test func `nobody announces in another's name, and outsiders announce nothing`() throws {
        let mesh = mesh()
        let victim = try node(mesh, "two").identity
        let honest = victim.announcement(part: 0, number: 5, payload: [1])
        // The author's key, but the bytes were changed; then a stranger's announcement.
        var forged = honest.encoded
        forged[44] ^= 1
        let stranger = VirtualMesh(seed: 9)
        _ = stranger.create("other", at: "198.18.1.2:20007")
        let foreign = try node(stranger, "other").identity.announcement(part: 0, number: 1, payload: [1])
        mesh.with("hub") { node, now in
            guard let sender = node.peers.all.first(where: { $0.name == "one" })?.number else { return }
            for bytes in [forged, foreign.encoded, Array(honest.encoded.dropLast()), [], [1, 2, 3]] {
                node.receiveAnnouncement(AnnouncementMessage.announcement(bytes).encoded, from: sender, at: now)
            }
            #expect(node.counters.announcementsRefused == 5)
            #expect(node.announced.isEmpty)
            // What its author signed counts, whoever brings it; an older one does not come back.
            node.receiveAnnouncement(AnnouncementMessage.announcement(honest.encoded).encoded, from: sender, at: now)
            let older = victim.announcement(part: 0, number: 4, payload: [9])
            node.receiveAnnouncement(AnnouncementMessage.announcement(older.encoded).encoded, from: sender, at: now)
            #expect(node.announced == [honest])
        }
    }

    @Test func `what a node announced goes with it`() throws {
        let mesh = mesh()
        mesh.with("one") { $0.announce([0: [1]], at: $1) }
        mesh.run(for: .seconds(2))
        let identifier = try node(mesh, "one").identity.nodeID
        mesh.with("hub") { $0.forgetAnnouncements(of: identifier, at: $1) }
        #expect(try node(mesh, "hub").announced.isEmpty)
        let hub = try #require(mesh.hosts["hub"])
        #expect(hub.events.contains(.announcementsEnded(node: identifier)))
        #expect(VirtualMesh.restored(from: hub.saved).announcements.isEmpty)
    }

    @Test(arguments: 0..<200)
    func `messages are read as they were written, and noise is refused without harm`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        func place() -> AnnouncementMessage.Place {
            .init(
                node: random.next() >> UInt64.random(in: 0...63, using: &random),
                part: UInt8.random(in: 0...255, using: &random))
        }
        let places = (0..<Int.random(in: 0...64, using: &random)).map { _ in place() }
        let lines = places.map { AnnouncementMessage.Line($0, number: random.next()) }
        for message in [
            AnnouncementMessage.request(places), .digest(first: .lowest, last: .highest, lines),
            .announcement(places.map(\.part)),
        ] {
            #expect(message.encoded.count <= 1160)
            #expect(try! AnnouncementMessage(parsing: message.encoded) == message)
            var damaged = message.encoded
            damaged.removeLast(Int.random(in: 0..<damaged.count, using: &random))
            _ = try? AnnouncementMessage(parsing: damaged)
        }
    }
}
