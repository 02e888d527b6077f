/// The layers as Package.swift draws them: each of its sections lists the targets of one layer, lowest first.
///
/// A target is assigned to a layer by standing in that section, so this is the only list there is.
struct Layers {
    /// The sections of Package.swift, lowest first. A target may import from its own layer and from those below.
    static let names = ["libraries", "ground", "core", "shell", "programs"]

    /// Layers whose targets do no I/O, know no time and draw no randomness.
    static let pure: Set = ["ground", "core"]

    /// C libraries that only compute, so that pure targets may stand on them.
    static let computingLibraries: Set = ["COpenSSL", "CTLS", "CJansson", "CNGHTTP2", "CYAML", "CQREncode"]

    /// The targets of each layer, in the order they are declared.
    private(set) var targets: [String: [String]] = [:]

    /// - Parameter manifest: the text of Package.swift.
    init(manifest: String) {
        var section: String?
        var previous: Substring = ""
        for line in manifest.split(separator: "\n") {
            let words = line.split { !$0.isLetter && !$0.isNumber && $0 != "_" }
            if line.hasPrefix("let "), let name = words.dropFirst().first, line.contains("[Target]") {
                section = String(name)
            } else if line.hasPrefix("]") || line.hasPrefix("func ") {
                section = nil
            }
            defer { previous = line }
            guard let section, let name = Self.declaredName(in: line, after: previous) else { continue }
            targets[section, default: []].append(name)
        }
    }

    /// The layer of a target, or `nil` if no section lists it.
    func layer(of target: String) -> String? {
        Self.names.first { targets[$0, default: []].contains(target) }
    }

    /// Why `importer` may not import `module`, or `nil` if it may. Modules of the toolchain are not ours to judge.
    func objection(to module: String, importedBy importer: String) -> String? {
        guard let own = rank(of: importer), let other = rank(of: module) else { return nil }
        if other > own { return "\(importer) imports \(module), which stands above it" }
        if other == 0, Self.pure.contains(Self.names[own]), !Self.computingLibraries.contains(module) {
            return "\(importer) is pure and imports \(module), which does I/O"
        }
        return nil
    }

    private func rank(of target: String) -> Int? {
        layer(of: target).flatMap { Self.names.firstIndex(of: $0) }
    }

    /// The name in `source("Wire")` or `.target(name: "CLinux"`, also where the name stands on the next line.
    /// Declarations stand four columns in; what is deeper belongs to one of them.
    private static func declaredName(in line: Substring, after previous: Substring) -> String? {
        if let match = line.prefixMatch(of: #/ {4}\.?[A-Za-z]+\((?:name: )?"(\w+)"/#) {
            return String(match.1)
        }
        guard previous.wholeMatch(of: #/ {4}\.?[A-Za-z]+\(/#) != nil else { return nil }
        return line.prefixMatch(of: #/ {8}(?:name: )?"(\w+)"/#).map { String($0.1) }
    }
}
