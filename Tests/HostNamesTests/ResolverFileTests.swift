import Testing
import Wire

@testable import HostNames

@Suite struct ResolverFileTests {
    private static let ours = IPAddress.v4(IPv4Address(169, 254, 96, 16))

    private func file(_ text: String) -> ResolverFile { ResolverFile(Array(text.utf8)) }

    private func text(_ file: ResolverFile) -> String { String(decoding: file.text, as: UTF8.self) }

    @Test(
        arguments: [
            "", "nameserver 192.0.2.1\n", "# made by dhclient\nsearch a.example b.example\nnameserver 192.0.2.1\n",
            "nameserver 192.0.2.1\nnameserver 192.0.2.2\noptions rotate timeout:1\n", "nameserver\t2001:db8::1", "\n\n",
            "options rotate\nnameserver 192.0.2.1",
        ])
    func `our block comes first and goes again without a trace`(original: String) {
        let with = file(original).with(servers: [Self.ours])
        #expect(with.hasBlock && !file(original).hasBlock)
        let first = text(with).split(separator: "\n").first { $0.hasPrefix("nameserver") }
        #expect(first == "nameserver 169.254.96.16")
        #expect(text(with.without()) == original)
        #expect(with.with(servers: [Self.ours]) == with, "once is enough")
        #expect(with.servers == file(original).servers, "ours is not among those of others")
    }

    @Test func `servers in turn would deny the mesh's names, so all but ours are muted`() {
        let with = file("nameserver 192.0.2.1\noptions rotate\nnameserver 192.0.2.2\n").with(servers: [Self.ours])
        let active = text(with).split(separator: "\n").filter { $0.hasPrefix("nameserver") }
        #expect(active == ["nameserver 169.254.96.16"])
        #expect(with.servers.map(\.address.description) == ["192.0.2.1", "192.0.2.2"])
    }

    @Test func `what others change around the block stays`() {
        let with = text(file("nameserver 192.0.2.1\n").with(servers: [Self.ours]))
        let changed = "# first\n" + with.replacing("192.0.2.1", with: "192.0.2.7") + "search a.example\n"
        #expect(text(file(changed).without()) == "# first\nnameserver 192.0.2.7\nsearch a.example\n")
    }

    @Test func `a block that lost its end takes no line of others with it`() {
        let with = text(file("nameserver 192.0.2.1\n").with(servers: [Self.ours]))
        let cut = with.replacing("# kubemesh end\n", with: "")
        #expect(text(file(cut).without()) == "nameserver 192.0.2.1\n")
    }

    @Test func `servers and domains are read as the resolver reads them`() {
        let read = file(
            """
            ; comment
            # nameserver 192.0.2.9
            domain old.example
            search  a.example\tb.example
            nameserver 192.0.2.1
              nameserver 192.0.2.2
            nameserver fe80::1%eth0
            nameserver nonsense
            nameserver

            """)
        #expect(read.servers.map(\.address.description) == ["192.0.2.1", "192.0.2.2", "fe80::1"])
        #expect(read.servers.map(\.interface) == [nil, nil, "eth0"])
        #expect(read.searchDomains == ["a.example", "b.example"])
        #expect(file("nameserver 192.0.2.1\nsearch .\n").searchDomains == [])
    }
}
