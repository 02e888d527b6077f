import Wire
import YAML

/// A value in a manifest and the way to it, for messages that name both.
struct ManifestField {
    let node: YAMLNode
    /// "spec.ports[0].port"; empty for a document's root.
    let path: String
    let file: String

    var line: Int { node.position.line }

    private var name: String { path.isEmpty ? "the document" : path }

    func error(_ reason: String, _ advice: String) -> ManifestError {
        ManifestError(file: file, line: line, reason: "\(name) \(reason)", advice: advice)
    }

    /// The members of a mapping by name; those that are null are absent.
    func members() throws(ManifestError) -> ManifestMembers {
        guard case .mapping(let entries) = node.content else {
            throw error(
                "must hold keys with values, not \(found)", "write each key on a line of its own, as in \"name: web\"")
        }
        var members: [String: ManifestField] = [:]
        members.reserveCapacity(entries.count)
        var lines: [String: Int] = [:]
        for entry in entries {
            guard case .scalar(let key, _) = entry.key.content else {
                throw ManifestField(node: entry.key, path: path, file: file)
                    .error("has a key that is no text", "write a plain word before the colon")
            }
            let field = ManifestField(node: entry.value, path: path.isEmpty ? key : "\(path).\(key)", file: file)
            if let first = lines.updateValue(entry.key.position.line, forKey: key) {
                throw ManifestField(node: entry.key, path: field.path, file: file)
                    .error("stands twice", "remove one of the two; the first is in line \(first)")
            }
            if !entry.value.isNull { members[key] = field }
        }
        return ManifestMembers(of: self, members)
    }

    func elements() throws(ManifestError) -> [ManifestField] {
        guard case .sequence(let items) = node.content else {
            throw error("must be a list, not \(found)", "write each entry on a line that begins with \"- \"")
        }
        return items.enumerated().map { ManifestField(node: $1, path: "\(path)[\($0)]", file: file) }
    }

    func text() throws(ManifestError) -> String {
        guard case .scalar(let text, let isPlain) = node.content, !(isPlain && node.isNull) else {
            throw error("must be text, not \(found)", "write one word or a quoted text")
        }
        guard text.utf8.count <= 1024 else { throw error("is longer than 1024 bytes", "shorten it") }
        return text
    }

    func flag() throws(ManifestError) -> Bool {
        guard case .scalar(let text, isPlain: true) = node.content, let flag = Self.flags[text] else {
            throw error("must be true or false, not \(found)", "write true or false without quotes")
        }
        return flag
    }

    func number(in range: ClosedRange<Int>, _ what: String) throws(ManifestError) -> Int {
        guard case .scalar(let text, isPlain: true) = node.content, let number = Int(text), range.contains(number)
        else {
            throw error(
                "must be a number from \(range.lowerBound) to \(range.upperBound), not \(found)", "write \(what)")
        }
        return number
    }

    /// One of some words, whose meanings stand beside them.
    func word<Meaning>(_ words: KeyValuePairs<String, Meaning>) throws(ManifestError) -> Meaning {
        let text = try text()
        guard let meaning = words.first(where: { $0.key == text })?.value else {
            let known = words.map(\.key).joined(separator: ", ")
            throw error("must be one of \(known), not \"\(text)\"", "write one of these words as it stands here")
        }
        return meaning
    }

    /// A DNS label (RFC 1123 §2.1) in lower case.
    func label() throws(ManifestError) -> String {
        let text = try text()
        guard text.utf8.count <= 63, !text.contains("."), NodeName(text) != nil else {
            throw error(
                "is no DNS label: \"\(text)\"",
                "write at most 63 small letters, digits and hyphens, no hyphen at either end")
        }
        return text
    }

    /// A DNS name (RFC 1123 §2.1) in lower case.
    func domainName() throws(ManifestError) -> String {
        let text = try text()
        guard NodeName(text) != nil else {
            throw error(
                "is no DNS name: \"\(text)\"", "write labels of small letters, digits and hyphens with dots between")
        }
        return text
    }

    func address() throws(ManifestError) -> IPAddress {
        let text = try text()
        guard let address = IPAddress(manifestText: text) else {
            throw error("is no IP address: \"\(text)\"", "write one such as 10.96.0.10 or fd00::10")
        }
        return address
    }

    func prefix() throws(ManifestError) -> IPPrefix {
        let text = try text()
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let address = IPAddress(manifestText: String(parts[0])), let length = Int(parts[1]),
            let prefix = IPPrefix(address, length: length)
        else { throw error("is no address range: \"\(text)\"", "write one such as 198.51.100.0/24") }
        return prefix
    }

    /// What the value is, for messages.
    private var found: String {
        switch node.content {
        case .scalar where node.isNull: "nothing"
        case .scalar(let text, isPlain: true): "\(text.prefix(60))"
        case .scalar(let text, isPlain: false): "the text \"\(text.prefix(60))\""
        case .sequence: "a list"
        case .mapping: "keys with values"
        }
    }

    private static let flags = [
        "true": true, "True": true, "TRUE": true, "false": false, "False": false, "FALSE": false,
    ]
}

/// The members of one mapping.
struct ManifestMembers {
    let owner: ManifestField
    private let fields: [String: ManifestField]

    init(of owner: ManifestField, _ fields: [String: ManifestField]) {
        self.owner = owner
        self.fields = fields
    }

    subscript(name: String) -> ManifestField? { fields[name] }

    func required(_ name: String, _ advice: String) throws(ManifestError) -> ManifestField {
        guard let field = fields[name] else {
            let place = owner.path.isEmpty ? "" : "\(owner.path) has "
            throw ManifestError(
                file: owner.file, line: owner.line, reason: place.isEmpty ? "\(name) is missing" : "\(place)no \(name)",
                advice: advice)
        }
        return field
    }

    /// The members of a mapping inside, or none where it is absent.
    func members(_ name: String) throws(ManifestError) -> ManifestMembers {
        guard let field = fields[name] else { return ManifestMembers(of: owner, [:]) }
        return try field.members()
    }

    /// The entries of a list inside, or none where it is absent.
    func elements(_ name: String) throws(ManifestError) -> [ManifestField] {
        guard let field = fields[name] else { return [] }
        return try field.elements()
    }
}

extension IPAddress {
    /// Reads numbers with leading zeros as decimal, as Kubernetes does for objects from before it refused them.
    init?(manifestText text: String) {
        let fields = text.split(separator: ".", omittingEmptySubsequences: false)
        let isDotted = fields.count == 4 && !text.contains(":")
        let plain = isDotted ? fields.map { $0.count > 1 ? $0.drop { $0 == "0" } : $0 } : []
        let text = isDotted ? plain.map { $0.isEmpty ? "0" : String($0) }.joined(separator: ".") : text
        guard !isDotted || fields.allSatisfy({ (1...8).contains($0.utf8.count) }) else { return nil }
        self.init(text)
    }
}
