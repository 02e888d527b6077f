import Glibc
import Testing
import Wire

@testable import Configuration

/// The files made from the table of settings. `KUBEMESH_UPDATE=1 swift test --filter ReferenceTests` writes them anew.
@Suite struct ReferenceTests {
    @Test func `the packaged file is the reference`() {
        expect(Configuration.reference, at: "packaging/config.yaml")
    }

    @Test func `the page on configuration is the reference`() {
        expect(Self.documentation, at: "docs/configuration.md")
    }

    @Test func `the reference parses to the defaults, as it is and with every key switched on`() throws {
        let defaults = Configuration(nodeName: .example)
        #expect(try parse(Configuration.reference) == defaults)
        let switchedOn = Configuration.reference.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            let rest = line.drop { $0 == " " }
            return rest.hasPrefix("#") && !rest.hasPrefix("# ")
                ? line.replacing("#", with: "", maxReplacements: 1) : line
        }
        let text = switchedOn.joined(separator: "\n")
        #expect(try parse(text) == defaults)
        let keys = switchedOn.filter {
            !$0.hasPrefix("#") && $0.contains(":") && !$0.hasSuffix(":") && !$0.contains("# ")
        }
        #expect(keys.count == Setting.all.count)
    }

    @Test func `every key stands once, with a meaning, beside its section`() {
        let paths = Setting.all.map(\.path)
        #expect(Set(paths).count == paths.count)
        #expect(Setting.all.allSatisfy { $0.meaning.hasSuffix(".") && !$0.expected.isEmpty })
        let sections = paths.map { $0.contains(".") ? String($0.prefix { $0 != "." }) : $0 }
        var seen: [String] = []
        for section in sections where seen.last != section { seen.append(section) }
        #expect(Set(seen).count == seen.count, "the keys of one section stand together")
    }

    /// The page: a section a key.
    private static var documentation: String {
        var lines = [
            "# Configuration", "",
            "`/etc/kubemesh/config.yaml` is YAML. A missing or empty file means the defaults below. Unknown, repeated and",
            "ill-typed keys are refused, all at once, with file, line, column and key; the configuration in use stays.",
            "Anchors, aliases and tags are not read. `meshctl config check` tests a file, `meshctl reload` applies it.",
            "",
            "This page is made from the same table as the reader (`Sources/Configuration/Settings.swift`).", "",
        ]
        for setting in Setting.all {
            lines += ["## `\(setting.path)`", ""]
            lines += Configuration.wrapped(setting.meaning, width: 118) + [""]
            lines.append("- Takes: \(setting.expected)")
            lines.append("- Default: `\(setting.text(Configuration(nodeName: .example)))`")
            lines += ["- \(setting.effect.sentence)", ""]
        }
        return lines.dropLast().joined(separator: "\n") + "\n"
    }

    private func parse(_ text: String) throws(ConfigurationError) -> Configuration {
        try Configuration(parsing: Array(text.utf8), file: "config.yaml", nodeName: .example)
    }

    /// Fails, and says how to mend it, unless the checkout's file has this text.
    private func expect(_ text: String, at path: String) {
        let root = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/")
        let file = "\(root)/\(path)"
        if unsafe getenv("KUBEMESH_UPDATE") != nil {
            let stream = unsafe fopen(file, "w")
            unsafe fputs(text, stream)
            unsafe fclose(stream)
        }
        guard let stream = unsafe fopen(file, "r") else {
            Issue.record("\(path) is missing: run this test with KUBEMESH_UPDATE=1")
            return
        }
        defer { unsafe fclose(stream) }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        let count = unsafe fread(&bytes, 1, bytes.count, stream)
        let found = String(decoding: bytes[..<count], as: UTF8.self)
        #expect(found == text, "\(path) differs from Settings.swift: run this test with KUBEMESH_UPDATE=1")
    }
}
