import JSON
import YAML

/// The objects of one file of Kubernetes manifests, in YAML (several documents, if need be) or JSON.
///
/// Read are `v1` Service, Endpoints and Node, `discovery.k8s.io` EndpointSlice, and lists of them; other kinds are passed
/// over with a notice, unknown fields without one. One bad document refuses the file.
package struct Manifest: Equatable, Sendable {
    package static let sizeLimitBytes = 4 << 20
    package static let objectLimit = 20_000
    static let depthLimit = 64

    package private(set) var objects: [CatalogObject] = []
    package private(set) var notices: [ManifestNotice] = []

    /// - Parameter file: the name that messages call the text by.
    package init(parsing text: [UInt8], file: String) throws(ManifestError) {
        var reader = ManifestReader(file: file)
        for root in try Self.documents(in: text, file) where !root.isNull {
            try reader.read(ManifestField(node: root, path: "", file: file))
        }
        objects = reader.objects
        notices = reader.notices
    }

    private static func documents(in text: [UInt8], _ file: String) throws(ManifestError) -> [YAMLNode] {
        guard text.count <= sizeLimitBytes else {
            throw ManifestError(
                file: file, line: 1, reason: "the file has \(text.count) bytes, more than \(sizeLimitBytes)",
                advice: "split it into several files")
        }
        let first = text.first { ![32, 9, 10, 13].contains($0) }
        if first == UInt8(ascii: "{") || first == UInt8(ascii: "[") { return [try json(text, file)] }
        do {
            return try YAMLParser.documents(in: text, sizeLimitBytes: sizeLimitBytes)
        } catch {
            throw ManifestError(
                file: file, line: error.position.line, reason: "this is not YAML: \(error.reason)",
                advice: "correct the line, or the one before it")
        }
    }

    /// JSON is checked as JSON, then read as the YAML that it is, because there values know their lines.
    private static func json(_ text: [UInt8], _ file: String) throws(ManifestError) -> YAMLNode {
        let value: JSONValue
        do {
            value = try JSONValue(parsing: text, limits: JSONLimits(byteCount: sizeLimitBytes, depth: depthLimit))
        } catch {
            guard case .malformed(let line, _, let reason) = error else {
                throw ManifestError(file: file, line: 1, reason: "\(error)", advice: "make it smaller")
            }
            throw ManifestError(
                file: file, line: line, reason: "this is not JSON: \(reason)",
                advice: "correct the line, or the one before it")
        }
        // A few texts are JSON and not YAML 1.1 (some escapes, long keys); their messages name the field without a line.
        let roots = try? YAMLParser.documents(in: text, sizeLimitBytes: sizeLimitBytes)
        return roots?.first ?? YAMLNode(value)
    }
}

extension YAMLNode {
    fileprivate init(_ value: JSONValue) {
        let content: Content =
            switch value {
            case .null: .scalar("null", isPlain: true)
            case .boolean(let flag): .scalar(flag ? "true" : "false", isPlain: true)
            case .integer(let number): .scalar(String(number), isPlain: true)
            case .number(let number): .scalar("\(number)", isPlain: true)
            case .string(let text): .scalar(text, isPlain: false)
            case .array(let elements): .sequence(elements.map { YAMLNode($0) })
            case .object(let object):
                .mapping(
                    object.members.map { member in
                        Entry(
                            key: YAMLNode(content: .scalar(member.name, isPlain: false), position: .start),
                            value: YAMLNode(member.value))
                    })
            }
        self.init(content: content, position: .start)
    }
}
