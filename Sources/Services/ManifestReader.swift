import Wire

/// Reads documents one after another and collects their objects.
struct ManifestReader {
    let file: String
    private(set) var objects: [CatalogObject] = []
    private(set) var notices: [ManifestNotice] = []
    /// The line of each object, to tell where it stands first.
    private var lines: [ObjectKey: Int] = [:]

    init(file: String) {
        self.file = file
    }

    /// Reads one document; what it holds may be a list of more.
    mutating func read(_ root: ManifestField) throws(ManifestError) {
        let document = try root.members()
        let kind = try document.required("kind", "write what it is, as in \"kind: Service\"").text()
        guard kind.hasSuffix("List"), let items = document["items"] else {
            try read(document, kind: kind)
            return
        }
        // Items of a `ServiceList` need not say what they are.
        let implied = String(kind.dropLast(4))
        for item in try items.elements() {
            let object = try item.members()
            let own = try object["kind"]?.text() ?? implied
            guard !own.isEmpty else { throw item.error("has no kind", "write what it is, as in \"kind: Service\"") }
            guard !(own.hasSuffix("List") && object["items"] != nil) else {
                throw item.error("is a list in a list", "write its items into the outer list")
            }
            try read(object, kind: own)
        }
    }

    private mutating func read(_ document: ManifestMembers, kind: String) throws(ManifestError) {
        let group = try document["apiVersion"]?.text().split(separator: "/").dropLast().joined() ?? Self.group(of: kind)
        guard let known = Self.group(of: kind), group == known else {
            notices.append(notice(document.owner, "\(kind) is not read here and was passed over"))
            return
        }
        let metadata = try document.required(
            "metadata", "write \"metadata:\" with the object's name below it"
        ).members()
        switch kind {
        case "Service": try add(.service(try service(document, metadata)), document)
        case "Endpoints":
            for slice in try endpoints(document, metadata) { try add(.slice(slice), document) }
        case "EndpointSlice":
            if let slice = try slice(document, metadata) { try add(.slice(slice), document) }
        default: try add(.node(try node(document, metadata)), document)
        }
    }

    private static func group(of kind: String) -> String? {
        switch kind {
        case "Service", "Endpoints", "Node": ""
        case "EndpointSlice": "discovery.k8s.io"
        default: nil
        }
    }

    private mutating func add(_ object: CatalogObject, _ document: ManifestMembers) throws(ManifestError) {
        guard objects.count < Manifest.objectLimit else {
            throw document.owner.error("is one object too many", "keep at most \(Manifest.objectLimit) in one file")
        }
        if let first = lines.updateValue(document.owner.line, forKey: object.key) {
            throw document.owner.error(
                "defines the same object as line \(first)", "remove one of the two, or rename it")
        }
        objects.append(object)
    }

    mutating func tell(_ field: ManifestField, _ text: String) {
        notices.append(notice(field, text))
    }

    private func notice(_ field: ManifestField, _ text: String) -> ManifestNotice {
        ManifestNotice(file: file, line: field.line, text: text)
    }

    static func namespace(_ metadata: ManifestMembers) throws(ManifestError) -> String {
        try metadata["namespace"]?.label() ?? "default"
    }

    static func nameField(_ metadata: ManifestMembers) throws(ManifestError) -> ManifestField {
        try metadata.required("name", "write the object's name, as in \"name: web\"")
    }

    // MARK: nodes

    private func node(_ document: ManifestMembers, _ metadata: ManifestMembers) throws(ManifestError) -> ClusterNode {
        var node = ClusterNode(name: try Self.nameField(metadata).domainName())
        node.zone = try metadata.members("labels")["topology.kubernetes.io/zone"]?.text()
        let spec = try document.members("spec")
        for field in try spec.elements("podCIDRs") { node.podPrefixes.append(try field.prefix()) }
        if node.podPrefixes.isEmpty, let only = spec["podCIDR"] { node.podPrefixes = [try only.prefix()] }
        for field in try document.members("status").elements("addresses") {
            let entry = try field.members()
            let type = try entry["type"]?.text()
            guard type == "InternalIP" || type == "ExternalIP" else { continue }
            let address = try entry.required("address", "write the node's address").address()
            if !node.addresses.contains(address) { node.addresses.append(address) }
        }
        return node
    }
}
