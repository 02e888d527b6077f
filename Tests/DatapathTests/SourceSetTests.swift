import Datapath
import Testing
import Wire

struct SourceSetTests {
    private let sources = SourceSet([IPPrefix("10.128.1.0/24")!, IPPrefix("fd00:1::/64")!])

    @Test(arguments: ["10.128.1.0", "10.128.1.255", "fd00:1::", "fd00:1::ffff:ffff:ffff:ffff"])
    func `a certified address passes`(address: String) {
        #expect(sources.contains(IPAddress(address)!))
    }

    @Test(arguments: [
        "10.128.2.1", "10.128.0.255", "fd00:1:0:1::1", "::ffff:10.128.1.1", "2002:a80:101::1", "::10.128.1.1",
    ])
    func `other addresses and other forms of a certified one do not`(address: String) {
        #expect(!sources.contains(IPAddress(address)!))
    }

    @Test func `an empty set lets nothing pass`() {
        #expect(SourceSet.none.isEmpty)
        #expect(!SourceSet.none.contains(IPAddress("0.0.0.0")!))
        #expect(!SourceSet.none.contains(IPAddress("::")!))
    }

    @Test func `the whole of a family can be allowed`() {
        let all = SourceSet([IPPrefix("0.0.0.0/0")!])
        #expect(all.contains(IPAddress("255.255.255.255")!))
        #expect(!all.contains(IPAddress("::1")!))
    }
}
