import Crypto
import SansIO
import Testing
import Wire

@testable import Identity

@Suite struct AnnouncementTests {
    private let identity: NodeIdentity = {
        var keys = SecureRandom(seed: Secret([UInt8](repeating: 7, count: 32)))
        return NodeIdentity.createMesh(
            name: NodeName("alpha")!, ipv4Range: IPPrefix("10.128.0.0/9")!, now: WallTime(seconds: 1_790_000_000),
            using: &keys)
    }()

    @Test func `what was signed is read back and believed`() throws {
        let announcement = identity.announcement(part: 3, number: 9, payload: [1, 2, 3])
        let read = try Announcement(parsing: announcement.encoded)
        #expect(read == announcement)
        #expect(read.isSigned(by: identity.chain, in: identity.mesh))
    }

    @Test func `no byte can be changed`() throws {
        let encoded = identity.announcement(part: 0, number: 1, payload: Array(0..<40)).encoded
        for index in encoded.indices {
            var damaged = encoded
            damaged[index] ^= 1
            guard let read = try? Announcement(parsing: damaged) else { continue }
            #expect(!read.isSigned(by: identity.chain, in: identity.mesh), "byte \(index)")
        }
        for count in 0..<encoded.count {
            #expect(throws: WireError.self) { try Announcement(parsing: Array(encoded.prefix(count))) }
        }
    }

    @Test func `the later number counts, and equal numbers are settled alike everywhere`() {
        let first = identity.announcement(part: 0, number: 1, payload: [1])
        let second = identity.announcement(part: 0, number: 2, payload: [2])
        let twin = identity.announcement(part: 0, number: 2, payload: [3])
        #expect(second.supersedes(first) && !first.supersedes(second))
        #expect(second.supersedes(twin) != twin.supersedes(second))
        #expect(!second.supersedes(second))
    }
}
