import Services
import Wire

/// The labels `kubemesh.…` of one container, each read at most once; what nobody has read is unknown.
struct ContainerLabels {
    static let prefix = "kubemesh."

    private var values: [String: String] = [:]

    init(_ labels: [String: String]) {
        for (name, value) in labels where name.hasPrefix(Self.prefix) {
            values[String(name.dropFirst(Self.prefix.count))] = value
        }
    }

    var isEmpty: Bool { values.isEmpty }

    /// The first, in order, of those that nobody has read.
    var unread: String? { values.keys.min() }

    static func error(_ label: String, _ reason: String, _ advice: String) -> LabelError {
        LabelError(label: prefix + label, reason: reason, advice: advice)
    }

    mutating func text(_ label: String) -> String? { values.removeValue(forKey: label) }

    /// A DNS label (RFC 1123 §2.1) in lower case.
    mutating func name(_ label: String) throws(LabelError) -> String? {
        guard let text = text(label) else { return nil }
        guard Self.isDNSLabel(text) else {
            throw Self.error(
                label, "is no DNS label: \"\(text)\"",
                "write at most 63 small letters, digits and hyphens, no hyphen at either end")
        }
        return text
    }

    static func isDNSLabel(_ text: String) -> Bool {
        text.utf8.count <= 63 && !text.utf8.contains(UInt8(ascii: ".")) && NodeName(text) != nil
    }

    mutating func flag(_ label: String) throws(LabelError) -> Bool {
        switch text(label) {
        case nil, "false": return false
        case "true": return true
        case let text?: throw Self.error(label, "is neither true nor false: \"\(text)\"", "write one of the two")
        }
    }

    mutating func number(_ label: String, in range: ClosedRange<Int>) throws(LabelError) -> Int? {
        guard let text = text(label) else { return nil }
        return try Self.number(text[...], in: range, label)
    }

    static func number(
        _ text: Substring, in range: ClosedRange<Int>, _ label: String
    ) throws(LabelError) -> Int {
        guard let number = Int(text), range.contains(number), text.utf8.first != UInt8(ascii: "+") else {
            throw error(
                label, "has \"\(text)\" where a number stands",
                "write one from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    /// The position of one of some words.
    mutating func word(_ label: String, _ words: [String]) throws(LabelError) -> Int? {
        guard let text = text(label) else { return nil }
        guard let position = words.firstIndex(of: text) else {
            let known = words.joined(separator: ", ")
            throw Self.error(label, "is \"\(text)\"", "write one of \(known)")
        }
        return position
    }

    /// The entries of a list with commas, without blanks around them.
    mutating func list(_ label: String) throws(LabelError) -> [Substring]? {
        guard let text = text(label) else { return nil }
        let entries = text.split(omittingEmptySubsequences: false) { $0 == "," }.map(Self.trimmed)
        guard entries.count <= ContainerService.portLimit, !entries.contains(where: \.isEmpty) else {
            throw Self.error(
                label, "has an empty entry, or more than \(ContainerService.portLimit)", "write them as in \"80, 443\"")
        }
        return entries
    }

    private static func trimmed(_ text: Substring) -> Substring {
        var text = text.drop { $0 == " " }
        while text.last == " " { text.removeLast() }
        return text
    }
}
