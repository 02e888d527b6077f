import Wire

extension Configuration {
    /// A configuration file with every key, commented out at its default: packaging/config.yaml.
    ///
    /// Prose begins with "# ", a key that can be switched on with "#" alone.
    package static var reference: String {
        var lines = [
            "# KubeMesh. Every key is shown with its default; take the # away to set it.",
            "# `meshctl config check` tells what is wrong with this file, `meshctl reload` applies it. A faulty file is",
            "# refused as a whole and changes nothing.",
        ]
        var section = ""
        for setting in Setting.all {
            let parts = setting.path.split(separator: ".").map(String.init)
            let indent = parts.count == 2 ? "  " : ""
            lines.append("")
            if parts.count == 2, parts[0] != section { lines.append("\(parts[0]):") }
            section = parts.count == 2 ? parts[0] : ""
            let note = "\(setting.meaning) Takes \(setting.expected). \(setting.effect.sentence)"
            lines += wrapped(note, width: 100).map { "\(indent)# \($0)" }
            lines.append("\(indent)#\(parts[parts.count - 1]): \(setting.text(Configuration(nodeName: .example)))")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    static func wrapped(_ text: String, width: Int) -> [String] {
        var lines: [String] = []
        for word in text.split(separator: " ") {
            if let last = lines.last, last.count + 1 + word.count <= width {
                lines[lines.count - 1] = "\(last) \(word)"
            } else {
                lines.append(String(word))
            }
        }
        return lines
    }
}

extension ConfigurationChange.Effect {
    /// For the reference.
    var sentence: String {
        switch self {
        case .live: "A change takes effect on reload."
        case .restart: "A change needs a restart of meshd."
        case .join: "Read when the host joins or creates a mesh."
        }
    }
}

extension NodeName {
    /// Stands for the host's own name in the reference.
    static let example = NodeName("edge-1")!
}
