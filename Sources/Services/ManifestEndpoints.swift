import Wire

/// `discovery.k8s.io` EndpointSlice and `v1/Endpoints`.
extension ManifestReader {
    static let endpointLimit = 10_000

    /// `nil` for a slice that says nothing which is used here.
    mutating func slice(
        _ document: ManifestMembers, _ metadata: ManifestMembers
    ) throws(ManifestError) -> EndpointSlice? {
        let labels = try metadata.members("labels")
        guard let label = labels["kubernetes.io/service-name"] else {
            tell(document.owner, "an EndpointSlice without the label kubernetes.io/service-name belongs to no service")
            return nil
        }
        let type = try document.required("addressType", "write IPv4 or IPv6").text()
        guard type == "IPv4" || type == "IPv6" else {
            tell(document.owner, "an EndpointSlice of addressType \(type.prefix(40)) is not used here")
            return nil
        }
        let service = ServiceName(namespace: try Self.namespace(metadata), name: try label.label())
        var slice = EndpointSlice(name: try Self.nameField(metadata).domainName(), service: service)
        slice.ports = try Self.ports(document)
        let weight = try Self.weight(metadata)
        let fields = try document.elements("endpoints")
        try Self.check(fields)
        for field in fields {
            if var member = try Self.member(field, isIPv4: type == "IPv4") {
                member.weight = weight
                slice.members.append(member)
            }
        }
        return slice
    }

    private static func member(_ field: ManifestField, isIPv4: Bool) throws(ManifestError) -> EndpointSlice.Member? {
        let entry = try field.members()
        // Addresses behind the first have no meaning (discovery.k8s.io/v1).
        guard let first = try entry.elements("addresses").first else {
            throw field.error("has no addresses", "write one, as in \"addresses: [10.1.2.3]\"")
        }
        let address = try first.address()
        guard address.isIPv4 == isIPv4 else {
            throw first.error("is not of the slice's addressType: \(address)", "put it into a slice of its own family")
        }
        let conditions = try entry.members("conditions")
        var member = EndpointSlice.Member(
            address, nodeName: try entry["nodeName"]?.domainName(),
            conditions: EndpointSlice.Conditions(
                ready: try conditions["ready"]?.flag(), serving: try conditions["serving"]?.flag(),
                terminating: try conditions["terminating"]?.flag()))
        member.zone = try entry["zone"]?.text()
        member.hostname = try entry["hostname"]?.label()
        member.targetName = try entry.members("targetRef")["name"]?.text()
        let hints = try entry.members("hints")
        member.zoneHints = try names(hints, "forZones")
        member.nodeHints = try names(hints, "forNodes")
        return member
    }

    private static func names(_ hints: ManifestMembers, _ list: String) throws(ManifestError) -> [String]? {
        guard let field = hints[list] else { return nil }
        var names: [String] = []
        for element in try field.elements() {
            names.append(try element.members().required("name", "write the name that the hint is for").text())
        }
        return names.isEmpty ? nil : names
    }

    private static func ports(_ owner: ManifestMembers) throws(ManifestError) -> [EndpointSlice.Port] {
        var ports: [EndpointSlice.Port] = []
        for field in try owner.elements("ports") {
            let members = try field.members()
            // Without a number it means "all ports", which no service port can be joined to.
            guard let number = members["port"] else { continue }
            let port = EndpointSlice.Port(
                name: try portName(members), transport: try transport(members),
                port: UInt16(try number.number(in: 1...65_535, "the port that the endpoints listen on")))
            if !ports.contains(port) { ports.append(port) }
        }
        return ports
    }

    private static func weight(_ metadata: ManifestMembers) throws(ManifestError) -> UInt16 {
        guard let field = try metadata.members("annotations")["kubemesh.io/weight"] else { return 1 }
        guard let weight = UInt16(try field.text()), weight <= 1000 else {
            throw field.error("must be a number from 0 to 1000", "write the share beside other endpoints, as in \"10\"")
        }
        return weight
    }

    private static func check(_ fields: [ManifestField]) throws(ManifestError) {
        guard fields.count > endpointLimit else { return }
        throw fields[endpointLimit].error("is one endpoint too many", "keep at most \(endpointLimit) in one object")
    }

    // MARK: v1/Endpoints

    /// Each subset as a slice; its name cannot be that of a real one.
    func endpoints(_ document: ManifestMembers, _ metadata: ManifestMembers) throws(ManifestError) -> [EndpointSlice] {
        let name = ServiceName(namespace: try Self.namespace(metadata), name: try Self.nameField(metadata).label())
        let weight = try Self.weight(metadata)
        var slices: [EndpointSlice] = []
        for field in try document.elements("subsets") {
            let subset = try field.members()
            var slice = EndpointSlice(
                name: "\(name.name)#\(slices.count)", service: name, ports: try Self.ports(subset))
            for (list, isReady) in [("addresses", true), ("notReadyAddresses", false)] {
                let fields = try subset.elements(list)
                try Self.check(fields)
                for field in fields {
                    var member = try Self.subsetMember(field, isReady: isReady)
                    member.weight = weight
                    slice.members.append(member)
                }
            }
            slices.append(slice)
        }
        return slices
    }

    private static func subsetMember(_ field: ManifestField, isReady: Bool) throws(ManifestError)
        -> EndpointSlice.Member
    {
        let entry = try field.members()
        var member = EndpointSlice.Member(
            try entry.required("ip", "write the endpoint's address, as in \"ip: 10.1.2.3\"").address(),
            nodeName: try entry["nodeName"]?.domainName(), conditions: EndpointSlice.Conditions(ready: isReady))
        member.hostname = try entry["hostname"]?.label()
        member.targetName = try entry.members("targetRef")["name"]?.text()
        return member
    }
}
