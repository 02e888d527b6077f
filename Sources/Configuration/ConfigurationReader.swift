package import Wire
import YAML

extension Configuration {
    /// Reads the text of a configuration file; what it leaves out keeps its default.
    ///
    /// - Parameters:
    ///   - file: the file's path, for messages.
    ///   - nodeName: the default of `node.name`, made from the host's name.
    /// - Throws: every problem of the file at once, so that one look mends them all.
    package init(parsing text: [UInt8], file: String, nodeName: NodeName) throws(ConfigurationError) {
        let root: YAMLNode?
        do {
            root = try YAMLParser.parse(text)
        } catch {
            let problem = ConfigurationProblem(position: error.position, key: "", reason: error.reason)
            throw ConfigurationError(file: file, problems: [problem])
        }
        self.init(nodeName: nodeName)
        guard let root, !root.isNull else { return }
        var reader = FieldReader()
        read(root, section: "", using: &reader)
        if reader.problems.isEmpty { checkTogether(root, using: &reader) }
        guard reader.problems.isEmpty else {
            let ordered = reader.problems.sorted { ($0.position, $0.key) < ($1.position, $1.key) }
            throw ConfigurationError(file: file, problems: ordered)
        }
    }

    private mutating func read(_ node: YAMLNode, section: String, using reader: inout FieldReader) {
        let fields = reader.fields(of: node, at: section, known: Setting.names(in: section))
        for (name, value) in fields.sorted(by: { $0.value.position < $1.value.position }) {
            let path = section.isEmpty ? name : "\(section).\(name)"
            if let setting = Setting.all.first(where: { $0.path == path }) {
                setting.read(value, &self, &reader)
            } else if !value.isNull {
                // A section whose keys are all commented out has no value, and is fine.
                read(value, section: path, using: &reader)
            }
        }
    }

    /// Rules that tie two keys together.
    private func checkTogether(_ root: YAMLNode, using reader: inout FieldReader) {
        if certificate.renewBefore >= certificate.lifetime {
            reader.report(
                root.value(at: ["certificate", "renewBefore"]) ?? root.value(at: ["certificate"]) ?? root,
                "certificate.renewBefore", "expected less than certificate.lifetime")
        }
    }
}

extension Setting {
    /// The names that stand directly in a section: keys and further sections.
    static func names(in section: String) -> [String] {
        let prefix = section.isEmpty ? "" : section + "."
        var names: [String] = []
        for setting in all where setting.path.hasPrefix(prefix) {
            let name = String(setting.path.dropFirst(prefix.count).prefix { $0 != "." })
            if !names.contains(name) { names.append(name) }
        }
        return names
    }
}

extension YAMLNode {
    /// The value under a chain of keys.
    fileprivate func value(at path: [String]) -> YAMLNode? {
        guard let name = path.first else { return self }
        guard case .mapping(let entries) = content else { return nil }
        let entry = entries.first { entry in
            if case .scalar(name, _) = entry.key.content { true } else { false }
        }
        return entry?.value.value(at: Array(path.dropFirst()))
    }
}
