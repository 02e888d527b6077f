import YAML

/// Reads mappings and collects everything that is wrong with them.
struct FieldReader {
    private(set) var problems: [ConfigurationProblem] = []

    mutating func report(_ node: YAMLNode, _ key: String, _ reason: String) {
        problems.append(ConfigurationProblem(position: node.position, key: key, reason: reason))
    }

    /// The values of a mapping by key; a key that is unknown, repeated or no text is reported and left out.
    mutating func fields(of node: YAMLNode, at path: String, known: [String]) -> [String: YAMLNode] {
        guard case .mapping(let entries) = node.content else {
            report(node, path, "expected keys with values (\(known.joined(separator: ", "))), found \(node.found)")
            return [:]
        }
        var values: [String: YAMLNode] = [:]
        var lines: [String: Int] = [:]
        for entry in entries {
            guard case .scalar(let name, _) = entry.key.content else {
                report(entry.key, path, "expected a key, found \(entry.key.found)")
                continue
            }
            let key = path.isEmpty ? name : "\(path).\(name)"
            if let line = lines[name] {
                report(entry.key, key, "set a second time; the first is in line \(line)")
            } else if known.contains(name) {
                values[name] = entry.value
            } else {
                report(entry.key, key, Self.unknown(name, known: known))
            }
            lines[name] = lines[name] ?? entry.key.position.line
        }
        return values
    }

    private static func unknown(_ name: String, known: [String]) -> String {
        if let near = NearMiss.closest(to: name, among: known) { return "unknown key; did you mean \(near)?" }
        return "unknown key; here stand \(known.joined(separator: ", "))"
    }
}

extension YAMLNode {
    /// What the node is, for messages.
    var found: String {
        switch content {
        case .scalar where isNull: "nothing"
        case .scalar(let text, isPlain: true): text
        case .scalar(let text, isPlain: false): "the text \"\(text)\""
        case .sequence: "a list"
        case .mapping: "keys with values"
        }
    }
}
