import JSON
import Lab
import Testing

@Suite(.serialized, .enabled(if: Requirement.isMet, Comment(rawValue: Requirement.reason)))
struct PackageTests {
    /// What a user gets, directories apart.
    static let files = [
        "/etc/kubemesh/config.yaml", "/lib/systemd/system/kubemesh.service", "/usr/bin/meshctl",
        "/usr/lib/sysusers.d/kubemesh.conf", "/usr/sbin/meshd", "/usr/share/bash-completion/completions/meshctl",
        "/usr/share/doc/kubemesh/changelog.gz", "/usr/share/doc/kubemesh/copyright",
        "/usr/share/man/man1/meshctl.1.gz", "/usr/share/man/man5/kubemesh-config.5.gz",
        "/usr/share/man/man8/meshd.8.gz", "/usr/share/zsh/vendor-completions/_meshctl",
    ]

    let package: BuiltPackage

    init() throws { package = try BuiltPackage.current() }

    @Test func `lintian has nothing to say`() throws {
        let result = try Command(["lintian", "--allow-root", "--fail-on", "error,warning", package.path])
            .result(within: .seconds(60))
        #expect(result.succeeded, "\(result.output)\(result.errors)")
        #expect(result.output == "")
    }

    @Test func `the package and both programs are within their sizes`() throws {
        // docs/decisions/0019-program-size.md
        #expect(try package.size(of: "/usr/sbin/meshd") <= 15_000_000)
        #expect(try package.size(of: "/usr/bin/meshctl") <= 12_000_000)
        let bytes = try #require(Files.bytes(of: package.path))
        #expect(bytes.count <= 6_000_000)
    }

    @Test func `the package holds both programs, the unit, pages and completions, and nothing else`() throws {
        let found = try Command(["find", package.tree, "-not", "-type", "d", "-printf", "/%P\n"]).run()
        #expect(found.split(separator: "\n").map(String.init).sorted() == Self.files)
    }

    @Test func `the programs have the package's version`() throws {
        let told = try Command([package.tree + "/usr/bin/meshctl", "version", "--json"]).result(within: .seconds(5))
        let version = try JSONCursor(JSONValue(parsing: told.output)).member("meshctl").string()
        #expect(try version == package.field("Version"))
    }

    @Test func `nothing in the package is set-id or writable by others`() throws {
        #expect(try Command(["find", package.tree, "-perm", "/6022", "-not", "-type", "l"]).run() == "")
    }

    @Test func `the configuration is a conffile`() throws {
        #expect(try Command(["dpkg-deb", "--info", package.path, "conffiles"]).run() == "/etc/kubemesh/config.yaml\n")
    }

    @Test func `both programs bring the Swift runtime with them and find every other library`() throws {
        for program in ["/usr/sbin/meshd", "/usr/bin/meshctl"] {
            let libraries = try Command(["ldd", package.tree + program]).run()
            #expect(!libraries.contains("libswift"))
            #expect(!libraries.contains("not found"))
        }
        #expect(try package.field("Depends").contains("libc6 (>= "))
    }

    @Test func `the same programs and the same commit give the same bytes`() throws {
        let one = try package.packedAgain(into: "again-1")
        let two = try package.packedAgain(into: "again-2")
        try Command(["cmp", one.path, two.path]).run()
        let other = try package.packedAgain(into: "again-3", version: "99.0")
        #expect(try !Command(["cmp", one.path, other.path]).result(within: .seconds(5)).succeeded)
    }

    @Test(arguments: files.filter { $0.contains("/man/") })
    func `a man page is set without warnings`(file: String) throws {
        let page = try Command(["man", "--warnings", "--local-file", package.tree + file]).result(within: .seconds(20))
        #expect(page.succeeded)
        #expect(page.errors == "")
        #expect(page.output.contains("NAME"))
    }

    @Test func `the shells accept the completions`() throws {
        try Command(["bash", "-n", package.tree + "/usr/share/bash-completion/completions/meshctl"]).run()
        let zsh = package.tree + "/usr/share/zsh/vendor-completions/_meshctl"
        try Command(["zsh", "-n", zsh]).run()
        #expect(Files.text(of: zsh)?.hasPrefix("#compdef meshctl\n") == true)
    }

    @Test func `systemd rates the unit's exposure 2,5 or less`() throws {
        #expect(try exposure(isAtMostTenths: 25))
        #expect(try !exposure(isAtMostTenths: 5), "no unit on the network is rated that low: is anything measured?")
    }

    @Test(arguments: [
        [], ["--version"], ["--colour", "out"], ["one", "two"], ["--arch", "arm64", "out"],
    ])
    func `build-deb refuses what it does not understand`(arguments: [String]) throws {
        let result = try Command([Checkout.path("packaging/build-deb")] + arguments).result(within: .seconds(60))
        #expect(result.status == 64)
        #expect(result.errors.contains("build-deb: "))
    }

    private func exposure(isAtMostTenths limit: Int) throws -> Bool {
        try Command([
            "systemd-analyze", "security", "--offline=yes", "--no-pager", "--threshold=\(limit)",
            package.tree + "/lib/systemd/system/kubemesh.service",
        ]).result(within: .seconds(30)).succeeded
    }
}
