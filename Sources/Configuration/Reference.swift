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

    /// The same as a page of documentation, a section a key.
    package static var documentation: String {
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
            lines += wrapped(setting.meaning, width: 118) + [""]
            lines.append("- Takes: \(setting.expected)")
            lines.append("- Default: `\(setting.text(Configuration(nodeName: .example)))`")
            lines += ["- \(setting.effect.sentence)", ""]
        }
        return lines.dropLast().joined(separator: "\n") + "\n"
    }

    private static func wrapped(_ text: String, width: Int) -> [String] {
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
    fileprivate var sentence: String {
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
