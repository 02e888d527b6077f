/// A node's name: a DNS name in lower case (RFC 1123 §2.1), as Kubernetes gives its nodes.
///
/// At most 253 bytes; labels of 1 to 63 letters, digits and hyphens, with no hyphen at either end.
package struct NodeName: Hashable, Comparable, Sendable {
    private let text: String

    package static func < (left: NodeName, right: NodeName) -> Bool { left.text < right.text }
}

extension NodeName: LosslessStringConvertible {
    /// `nil` unless `text` is a name as it stands.
    package init?(_ text: String) {
        let labels = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard text.utf8.count <= 253, labels.allSatisfy(Self.isLabel) else { return nil }
        self.text = text
    }

    /// The name closest to what the system calls itself: "Edge_Box 1" becomes "edge-box-1". `nil` if nothing is left.
    package init?(hostName: String) {
        let mapped = hostName.lowercased().utf8.map { byte in
            Self.isLetterOrDigit(byte) || byte == UInt8(ascii: ".") ? byte : UInt8(ascii: "-")
        }
        let labels = mapped.split(separator: UInt8(ascii: ".")).compactMap { label -> String? in
            let core = label.drop { $0 == UInt8(ascii: "-") }.prefix(63)
            let end = core.lastIndex { $0 != UInt8(ascii: "-") }
            return end.map { String(decoding: core[...$0], as: UTF8.self) }
        }
        self.init(labels.joined(separator: "."))
    }

    package var description: String { text }

    private static func isLabel(_ label: Substring.UTF8View) -> Bool {
        (1...63).contains(label.count)
            && label.allSatisfy { isLetterOrDigit($0) || $0 == UInt8(ascii: "-") }
            && label.first != UInt8(ascii: "-") && label.last != UInt8(ascii: "-")
    }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }
}
