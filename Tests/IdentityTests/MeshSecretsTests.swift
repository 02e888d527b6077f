import Crypto
import Testing
import Wire

@testable import Identity

@Suite struct MeshSecretsTests {
    @Test func `during a rotation both secrets are accepted, the new one first`() {
        let (old, new) = (Secret([1]), Secret([2]))
        var secrets = MeshSecrets(current: old)
        #expect(secrets.accepted == [old])
        secrets.rotate(to: new)
        #expect(secrets.accepted == [new, old])
        secrets.rotate(to: new)
        #expect(secrets.accepted == [new, old])
        secrets.endRotation()
        #expect(secrets.accepted == [new])
    }

    @Test func `every client has a preshared key of its own, which is not the mesh's secret`() {
        let secrets = MeshSecrets(current: Secret([UInt8](repeating: 3, count: 32)))
        let keys = (0..<3 as Range<UInt8>).map { Bytes32([UInt8](repeating: $0, count: 32))! }
        let derived = keys.map { secrets.presharedKey(forClient: $0).bytes }
        #expect(Set(derived).count == 3)
        #expect(derived.allSatisfy { $0.count == 32 && $0 != secrets.current.bytes })
        #expect(secrets.presharedKey(forClient: keys[0]).bytes == derived[0])
    }

    @Test func `two meshes have nothing in common`() {
        let first = Fixture(seed: 1).founder
        let second = Fixture(seed: 2).founder
        #expect(first.mesh.id != second.mesh.id)
        #expect(first.secrets.current != second.secrets.current)
        #expect(first.mesh.plan.ipv6Range != second.mesh.plan.ipv6Range)
    }
}
