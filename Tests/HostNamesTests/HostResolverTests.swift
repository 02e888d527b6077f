import Glibc
import Lab
import Synchronization
import Testing
import Wire

@testable import HostNames

/// On files below a root of their own.
@Suite struct HostResolverTests {
    private static let ours = IPAddress.v4(IPv4Address(169, 254, 96, 16))
    private static let registration = HostResolver.Registration(
        servers: [ours], domains: ["cluster.local", "mesh.internal"], interface: "mesh0")

    /// A root with folders like a host's, taken away with the value.
    private final class Root: Sendable {
        let path: String
        let commands = Mutex<[String]>([])

        init() throws {
            var template = Array("/tmp/kubemesh-names-XXXXXX".utf8CString)
            path = try #require(unsafe mkdtemp(&template).map { unsafe String(cString: $0) })
            for folder in ["/etc", "/run/systemd/resolve", "/sys/class/net"] { try Files.makeFolder(path + folder) }
        }

        deinit { Self.remove(path) }

        private static func remove(_ path: String) {
            if Files.isFolder(path), Files.target(ofLink: path) == nil {
                for name in Files.entries(of: path) { remove(path + "/" + name) }
            }
            _ = unsafe Glibc.remove(path)
        }

        var resolver: HostResolver {
            HostResolver(root: path) { [self] words throws(HostNamesError) in
                commands.withLock { $0.append(words.joined(separator: " ")) }
            }
        }

        func write(_ text: String, to file: String) throws { try Files.write(text, to: path + file) }

        func text(of file: String) -> String? { Files.text(of: path + file) }
    }

    @Test func `resolv conf is changed and given back with its rights`() throws {
        let root = try Root()
        let original = "search a.example\nnameserver 192.0.2.1\nnameserver fe80::1%none\n"
        try root.write(original, to: "/etc/resolv.conf")
        #expect(unsafe chmod(root.path + "/etc/resolv.conf", 0o640) == 0)
        let resolver = root.resolver
        #expect(resolver.manager == .file)
        #expect(try resolver.register(Self.registration))
        #expect(try !resolver.register(Self.registration), "nothing to do any more")
        #expect(root.text(of: "/etc/resolv.conf")?.hasSuffix(original) == true)
        #expect(resolver.upstreams(except: [Self.ours]).map(\.description) == ["192.0.2.1:53"])
        #expect(resolver.searchDomains == ["a.example"])
        #expect(try resolver.deregister(interface: "mesh0"))
        #expect(root.text(of: "/etc/resolv.conf") == original)
        #expect(try !resolver.deregister(interface: "mesh0"))
        var status = stat()
        #expect(unsafe stat(root.path + "/etc/resolv.conf", &status) == 0 && status.st_mode & 0o7777 == 0o640)
        #expect(root.commands.withLock { $0 } == [])
    }

    @Test func `a host without resolv conf has none afterwards`() throws {
        let root = try Root()
        #expect(try root.resolver.register(Self.registration))
        #expect(root.text(of: "/etc/resolv.conf")?.contains("nameserver 169.254.96.16\n") == true)
        #expect(root.resolver.upstreams(except: [Self.ours]) == [])
        #expect(try root.resolver.deregister(interface: "mesh0"))
        #expect(root.text(of: "/etc/resolv.conf") == nil)
    }

    @Test(arguments: ["/run/other/resolv.conf", "../run/other/resolv.conf"])
    func `a link to another's file stays a link`(target: String) throws {
        let root = try Root()
        try Files.makeFolder(root.path + "/run/other")
        try root.write("nameserver 192.0.2.1\n", to: "/run/other/resolv.conf")
        #expect(unsafe symlink(target, root.path + "/etc/resolv.conf") == 0)
        #expect(try root.resolver.register(Self.registration))
        #expect(root.text(of: "/run/other/resolv.conf")?.hasPrefix("# kubemesh") == true)
        var status = stat()
        #expect(unsafe lstat(root.path + "/etc/resolv.conf", &status) == 0 && status.st_mode & S_IFMT == S_IFLNK)
        #expect(try root.resolver.deregister(interface: "mesh0"))
        #expect(root.text(of: "/run/other/resolv.conf") == "nameserver 192.0.2.1\n")
    }

    @Test func `systemd-resolved is told the mesh's domains, and no file is changed`() throws {
        let root = try Root()
        try root.write("nameserver 127.0.0.53\noptions edns0\n", to: "/run/systemd/resolve/stub-resolv.conf")
        try root.write("nameserver 169.254.96.16\nnameserver 192.0.2.1\n", to: "/run/systemd/resolve/resolv.conf")
        #expect(unsafe symlink("../run/systemd/resolve/stub-resolv.conf", root.path + "/etc/resolv.conf") == 0)
        try Files.makeFolder(root.path + "/sys/class/net/mesh0")
        let resolver = root.resolver
        #expect(resolver.manager == .resolved)
        #expect(try !resolver.register(Self.registration))
        #expect(try !resolver.deregister(interface: "mesh0"))
        #expect(
            root.commands.withLock { $0 } == [
                "resolvectl dns mesh0 169.254.96.16", "resolvectl domain mesh0 ~cluster.local ~mesh.internal",
                "resolvectl default-route mesh0 no", "resolvectl revert mesh0",
            ])
        #expect(resolver.upstreams(except: [Self.ours]).map(\.description) == ["192.0.2.1:53"])
    }

    @Test func `a copy of the stub's file means systemd-resolved too, and a program's failure is told`() throws {
        let root = try Root()
        try root.write("nameserver 127.0.0.53\n", to: "/etc/resolv.conf")
        let resolver = HostResolver(root: root.path) { words throws(HostNamesError) in
            throw .commandFailed(words, "no such link")
        }
        #expect(resolver.manager == .resolved)
        #expect(throws: HostNamesError.commandFailed(["resolvectl", "dns", "mesh0", "169.254.96.16"], "no such link")) {
            try resolver.register(Self.registration)
        }
    }

    @Test func `a file that may not be changed is said to be so`() throws {
        let root = try Root()
        try Files.makeFolder(root.path + "/etc/resolv.conf")
        #expect(throws: HostNamesError.self) { try root.resolver.register(Self.registration) }
    }
}
