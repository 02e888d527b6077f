import Glibc
import Linux
import ServiceSources
import Services
import Testing

/// A directory that is removed with the value, sources that read it, and a catalog that follows.
private final class Watched {
    let root: String
    var folder: String { root + "/services.d" }
    private(set) var sources: ServiceSources
    private(set) var catalog = Catalog(ownNode: "alpha")

    init(known: [String] = []) throws {
        var template = Array("/tmp/kubemesh-folder-XXXXXX".utf8CString)
        root = unsafe String(cString: try #require(mkdtemp(&template)))
        unsafe _ = mkdir(root + "/services.d", 0o755)
        sources = try Self.start(root + "/services.d", known)
    }

    deinit {
        sources.stop()
        _ = try? shell("rm -rf \(root)")
    }

    private static func start(_ folder: String, _ known: [String]) throws -> ServiceSources {
        var settings = ServiceSources.Settings(ownNode: "alpha")
        settings.manifestFolder = folder
        settings.dockerSocket = nil
        settings.containerdSocket = nil
        return try ServiceSources(settings, knownManifests: known)
    }

    /// Ends the sources, lets something happen, and starts them again as after a boot.
    func restart(meanwhile body: () throws -> Void) throws {
        sources.stop()
        try body()
        sources = try Self.start(folder, catalog.knownSources.map(\.part))
    }

    func write(_ name: String, _ services: String...) throws {
        let text = services.map { "kind: Service\nmetadata: {name: \($0)}\nspec: {ports: [{port: 80}]}\n" }
        try overwrite(name, text.joined(separator: "---\n"))
    }

    func overwrite(_ name: String, _ text: String) throws {
        let file = unsafe fopen("\(folder)/\(name)", "w")
        let opened = unsafe try #require(file)
        unsafe fputs(text, opened)
        unsafe fclose(opened)
    }

    @discardableResult
    func shell(_ command: String) throws -> Bool { unsafe system(command) == 0 }

    /// Waits until exactly these services are known.
    func until(_ services: String..., within seconds: Int = 20, sourceLocation: SourceLocation = #_sourceLocation)
        throws
    {
        try until("services \(services)", within: seconds, sourceLocation: sourceLocation) {
            catalog.serviceNames.map(\.name) == services.sorted()
        }
    }

    func until(
        _ what: String, within seconds: Int = 20, sourceLocation: SourceLocation = #_sourceLocation,
        _ condition: () -> Bool
    ) throws {
        let clock = ContinuousClock()
        let deadline = clock.now + .seconds(seconds)
        while true {
            for change in sources.mailbox.takeAll() { _ = catalog.apply(change, at: 1) }
            if condition() { return }
            guard clock.now < deadline else {
                Issue.record(
                    "no \(what): \(catalog.serviceNames), \(sources.state)", sourceLocation: sourceLocation)
                throw TimedOut()
            }
            sources.mailbox.wakeUp.wait(milliseconds: 20)
        }
    }

    struct TimedOut: Error {}

    func refusal(_ name: String) -> String? {
        sources.state.folder?.files.first { $0.name == name }?.refusal
    }
}

/// A real directory and the kernel's notices.
@Suite struct FolderTests {
    @Test func `files are taken in as they are made, changed, renamed over each other and removed`() throws {
        let watched = try Watched()
        try watched.write("a.yaml", "web")
        try watched.until("web")
        try watched.write("b.yml", "api", "db")
        try watched.until("web", "api", "db")
        try watched.write("a.yaml", "web", "shop")
        try watched.until("web", "api", "db", "shop")
        // As editors save: into another file, which then takes the first one's name.
        try watched.write(".a.yaml.tmp", "new")
        try watched.shell("mv \(watched.folder)/.a.yaml.tmp \(watched.folder)/a.yaml")
        try watched.until("new", "api", "db")
        try watched.shell("rm \(watched.folder)/b.yml")
        try watched.until("new")
        #expect(watched.sources.state.folder?.files.map(\.name) == ["a.yaml"])
    }

    @Test func `a bad file is refused while its last good form stays`() throws {
        let watched = try Watched()
        try watched.write("a.yaml", "web")
        try watched.write("b.yaml", "api")
        try watched.until("web", "api")
        try watched.overwrite("a.yaml", "kind: Service\nmetadata: [oops]\n")
        try watched.until("a refusal") { watched.refusal("a.yaml") != nil }
        #expect(watched.refusal("a.yaml")?.hasPrefix("a.yaml:2: metadata must hold keys with values") == true)
        try watched.until("web", "api")
        #expect(watched.refusal("b.yaml") == nil)
        try watched.write("a.yaml", "shop")
        try watched.until("shop", "api")
        #expect(watched.refusal("a.yaml") == nil)
    }

    @Test func `a directory that is removed and made again is followed, also by links on the way to it`() throws {
        let watched = try Watched()
        try watched.write("a.yaml", "web")
        try watched.until("web")
        try watched.shell("rm -r \(watched.folder)")
        try watched.until()
        try watched.shell("mkdir \(watched.folder)")
        try watched.write("a.yaml", "again")
        try watched.until("again")
        // The directory is replaced by a link to another.
        try watched.shell("mkdir \(watched.root)/other; cp \(watched.folder)/a.yaml \(watched.root)/other/b.yaml")
        try watched.shell("rm -r \(watched.folder); ln -s other \(watched.folder)")
        try watched.until("a file behind the link") {
            watched.sources.state.folder?.files.map(\.name) == ["b.yaml"]
                && watched.catalog.serviceNames.map(\.name) == ["again"]
        }
        try watched.write("c.yaml", "third")
        try watched.until("again", "third")
    }

    @Test func `a ConfigMap's files change when its link is moved`() throws {
        let watched = try Watched()
        let folder = watched.folder
        try watched.shell(
            "mkdir \(folder)/..1 \(folder)/..2; ln -s ..1 \(folder)/..data; ln -s ..data/a.yaml \(folder)/a.yaml")
        try watched.write("..1/a.yaml", "first")
        try watched.write("..2/a.yaml", "second")
        try watched.until("first")
        try watched.shell(
            "ln -s ..2 \(folder)/..data_tmp; mv -T \(folder)/..data_tmp \(folder)/..data; rm -r \(folder)/..1")
        try watched.until("second")
        #expect(watched.refusal("a.yaml") == nil)
    }

    @Test func `a link to a file elsewhere is followed there`() throws {
        let watched = try Watched()
        try watched.shell("mkdir \(watched.root)/away")
        try watched.write("../away/real.txt", "one")
        try watched.shell("ln -s ../away/real.txt \(watched.folder)/a.yaml")
        try watched.until("one")
        try watched.write("../away/real.txt", "two")
        try watched.until("two")
        // A link that leads nowhere takes nothing away.
        try watched.shell("mv \(watched.root)/away/real.txt \(watched.root)/away/hidden.txt")
        try watched.until("a refusal") { watched.refusal("a.yaml") != nil }
        try watched.until("two")
    }

    @Test func `of many changes the last one counts`() throws {
        let watched = try Watched()
        for round in 0..<300 { try watched.write("\(round % 7).yaml", "web-\(round)") }
        let last = (293..<300).map { "web-\($0)" }
        try watched.until("the last of each file") { watched.catalog.serviceNames.map(\.name) == last }
    }

    @Test func `a file that is still being written is not read half`() throws {
        let watched = try Watched()
        try watched.write("a.yaml", "web", "api")
        try watched.until("web", "api")
        let file = unsafe try #require(fopen("\(watched.folder)/a.yaml", "w"))
        unsafe fputs("kind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 80}]}\n", file)
        unsafe fflush(file)
        // Another file has the directory looked at.
        try watched.write("b.yaml", "other")
        try watched.until("web", "api", "other")
        unsafe fputs("---\nkind: Service\nmetadata: {name: api}\nspec: {ports: [{port: 81}]}\n", file)
        unsafe fclose(file)
        try watched.until("the whole file") {
            watched.catalog.service(ServiceName(namespace: "default", name: "api"))?.ports.first?.port == 81
        }
    }

    @Test func `what cannot be looked at loses nothing, and what went while nobody looked is withdrawn`() throws {
        let watched = try Watched()
        try watched.write("a.yaml", "web")
        try watched.write("b.yaml", "api")
        try watched.until("web", "api")
        try watched.restart {
            // A file in the directory's place: it is there, but cannot be listed.
            try watched.shell("mv \(watched.folder) \(watched.root)/kept; touch \(watched.folder)")
        }
        try watched.until("a problem") { watched.sources.state.folder?.problem != nil }
        try watched.until("web", "api")
        try watched.shell("rm \(watched.folder) \(watched.root)/kept/b.yaml; mv \(watched.root)/kept \(watched.folder)")
        try watched.until("web")
        #expect(watched.sources.state.folder?.problem == nil)
    }

    @Test func `a directory that is made later is found`() throws {
        let watched = try Watched()
        try watched.shell("rmdir \(watched.folder)")
        try watched.restart { try watched.shell("mv \(watched.root) \(watched.root).away") }
        #expect(watched.sources.state.folder?.problem == nil)
        try watched.shell("mv \(watched.root).away \(watched.root); mkdir \(watched.folder)")
        try watched.write("a.yaml", "web")
        try watched.until("web")
    }

    @Test func `a pipe in place of a file holds nobody up`() throws {
        let watched = try Watched()
        try watched.shell("mkfifo \(watched.folder)/a.yaml; mkdir \(watched.folder)/d.yaml")
        try watched.write("b.yaml", "web")
        try watched.until("web")
        #expect(watched.refusal("a.yaml") == "it is no file; write manifests into files")
        #expect(watched.refusal("d.yaml") == "it is no file; write manifests into files")
    }

    @Test func `a source that is switched off takes back what it said, in this run or before`() throws {
        var settings = ServiceSources.Settings(ownNode: "alpha")
        (settings.manifestFolder, settings.dockerSocket, settings.containerdSocket) = (nil, nil, nil)
        let sources = try ServiceSources(settings, knownManifests: ["old.yaml"])
        var withdrawn: [String] = []
        let clock = ContinuousClock()
        let deadline = clock.now + .seconds(20)
        while withdrawn.count < 3, clock.now < deadline {
            withdrawn += sources.mailbox.takeAll().filter { $0.content == .withdrawal }.map(\.source.part)
            sources.mailbox.wakeUp.wait(milliseconds: 20)
        }
        sources.stop()
        #expect(withdrawn == ["old.yaml", "docker", "containerd"])
    }
}
