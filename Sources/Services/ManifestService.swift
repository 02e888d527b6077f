import Wire

/// `v1/Service`.
extension ManifestReader {
    mutating func service(_ document: ManifestMembers, _ metadata: ManifestMembers) throws(ManifestError) -> Service {
        let name = ServiceName(
            namespace: try Self.namespace(metadata), name: try Self.nameField(metadata).label())
        let labels = try metadata.members("labels")
        let annotations = try metadata.members("annotations")
        let spec = try document.required("spec", "write \"spec:\" with the service's ports below it").members()
        var service = Service(name: name, kind: try Self.kind(spec, labels))
        service.isServedElsewhere = labels["service.kubernetes.io/service-proxy-name"] != nil
        service.bearsFilterLabel = labels["service.edgemesh.kubeedge.io/service-proxy-name"] != nil
        if service.kind.hasClusterIP { service.clusterIPs = try Self.clusterIPs(spec) }
        service.families = try Self.families(spec)
        service.ports = try Self.ports(spec, areRequired: service.kind.hasClusterIP)
        service.affinitySeconds = try Self.affinitySeconds(spec)
        let policies: KeyValuePairs<String, Service.TrafficPolicy> = ["Cluster": .cluster, "Local": .local]
        service.internalPolicy = try spec["internalTrafficPolicy"]?.word(policies) ?? .cluster
        service.externalPolicy = try spec["externalTrafficPolicy"]?.word(policies) ?? .cluster
        service.distribution = try distribution(spec, annotations)
        service.balancing =
            try annotations["kubemesh.io/balancing"]?.word([
                "random": .random, "round-robin": .roundRobin, "consistent-hash": .consistentHash,
                "least-connections": .leastConnections,
            ]) ?? .random
        service.publishesNotReady = try spec["publishNotReadyAddresses"]?.flag() ?? false
        service.healthCheckNodePort = try spec["healthCheckNodePort"].map { field throws(ManifestError) in
            UInt16(try field.number(in: 0...65_535, "a port, or leave it out"))
        }.flatMap { $0 == 0 ? nil : $0 }
        for field in try spec.elements("loadBalancerSourceRanges") {
            service.loadBalancerSources.append(try field.prefix())
        }
        service.loadBalancerAddresses = try Self.balancerAddresses(document)
        if let external = spec["externalIPs"], try external.elements().count > 0 {
            tell(external, "externalIPs are not served here: any author of a service could take any address with them")
        }
        return service
    }

    private static func kind(_ spec: ManifestMembers, _ labels: ManifestMembers) throws(ManifestError) -> Service.Kind {
        let kind: Service.Kind? =
            try spec["type"]?.word([
                "ClusterIP": .clusterIP, "NodePort": .nodePort, "LoadBalancer": .loadBalancer, "ExternalName": nil,
            ]) ?? (spec["type"] == nil ? .clusterIP : nil)
        guard let kind else {
            let target = try spec.required("externalName", "write the name that the service stands for")
            let name = try target.text().lowercased()
            let bare = name.hasSuffix(".") ? String(name.dropLast()) : name
            guard NodeName(bare) != nil else {
                throw target.error("is no DNS name: \"\(name)\"", "write one such as db.example.org")
            }
            return .externalName(bare)
        }
        if labels["service.kubernetes.io/headless"] != nil { return .headless }
        if try spec["clusterIP"]?.text() == "None" { return .headless }
        if try spec.elements("clusterIPs").first?.text() == "None" { return .headless }
        return kind
    }

    private static func clusterIPs(_ spec: ManifestMembers) throws(ManifestError) -> [IPAddress] {
        var addresses: [IPAddress] = []
        for field in try spec.elements("clusterIPs") {
            let address = try field.address()
            guard address.isUnicast, !addresses.contains(where: { $0.isIPv4 == address.isIPv4 }) else {
                throw field.error("is not one address of each family: \(address)", "name at most one of each, or none")
            }
            addresses.append(address)
        }
        guard let field = spec["clusterIP"], try field.text() != "" else { return addresses }
        let first = try field.address()
        guard first.isUnicast, addresses.isEmpty || addresses.first == first else {
            throw field.error(
                "and the first of clusterIPs are not the same", "name the same address in both, or only in one")
        }
        return addresses.isEmpty ? [first] : addresses
    }

    private static func families(_ spec: ManifestMembers) throws(ManifestError) -> Service.Families {
        var families: [Bool] = []
        for field in try spec.elements("ipFamilies") {
            families.append(try field.word(["IPv4": true, "IPv6": false]))
        }
        let isDual = try spec["ipFamilyPolicy"]?.word([
            "SingleStack": false, "PreferDualStack": true, "RequireDualStack": true,
        ])
        if isDual == true || Set(families).count == 2 { return .both }
        return families.first.map { $0 ? .ipv4 : .ipv6 } ?? .first
    }

    private static func ports(_ spec: ManifestMembers, areRequired: Bool) throws(ManifestError) -> [Service.Port] {
        guard let list = spec["ports"] else {
            if areRequired { _ = try spec.required("ports", "write at least one, as in \"ports: [{port: 80}]\"") }
            return []
        }
        let elements = try list.elements()
        guard !elements.isEmpty || !areRequired else {
            throw list.error("is empty", "write at least one, as in \"ports: [{port: 80}]\"")
        }
        var ports: [Service.Port] = []
        for field in elements {
            let port = try Self.port(field)
            if elements.count > 1, port.name == nil {
                throw field.error("has no name", "name every port where there are several, as in \"name: http\"")
            }
            guard !ports.contains(where: { $0.transport == port.transport && $0.port == port.port }) else {
                throw field.error("repeats \(port.transport) port \(port.port)", "give each a port of its own")
            }
            guard port.name == nil || !ports.contains(where: { $0.name == port.name }) else {
                throw field.error("repeats the name \(port.name ?? "")", "give each a name of its own")
            }
            ports.append(port)
        }
        return ports
    }

    private static func port(_ field: ManifestField) throws(ManifestError) -> Service.Port {
        let members = try field.members()
        let number = try members.required("port", "write the port that clients connect to, as in \"port: 80\"")
            .number(in: 1...65_535, "the port that clients connect to, as in \"port: 80\"")
        var port = Service.Port(transport: try transport(members), port: UInt16(number))
        port.name = try portName(members)
        if let nodePort = members["nodePort"] {
            let number = try nodePort.number(in: 0...65_535, "a port such as 30080, or leave it out")
            port.nodePort = number == 0 ? nil : UInt16(number)
        }
        return port
    }

    static func portName(_ members: ManifestMembers) throws(ManifestError) -> String? {
        guard let field = members["name"], try field.text() != "" else { return nil }
        return try field.label()
    }

    static func transport(_ members: ManifestMembers) throws(ManifestError) -> TransportProtocol {
        try members["protocol"]?.word(["TCP": .tcp, "UDP": .udp, "SCTP": .sctp]) ?? .tcp
    }

    private static func affinitySeconds(_ spec: ManifestMembers) throws(ManifestError) -> UInt32? {
        guard try spec["sessionAffinity"]?.word(["None": false, "ClientIP": true]) == true else { return nil }
        let seconds = try spec.members("sessionAffinityConfig").members("clientIP")["timeoutSeconds"]?
            .number(in: 1...86_400, "the seconds for which a client stays with its endpoint")
        return UInt32(seconds ?? 10_800)
    }

    /// The field, or our annotation where the API would refuse our own word.
    private mutating func distribution(
        _ spec: ManifestMembers, _ annotations: ManifestMembers
    ) throws(ManifestError) -> Service.Distribution {
        let words: KeyValuePairs<String, Service.Distribution> = [
            "PreferSameZone": .preferSameZone, "PreferClose": .preferSameZone, "PreferSameNode": .preferSameNode,
            "PreferNearest": .preferNearest,
        ]
        if let annotation = annotations["kubemesh.io/traffic-distribution"] { return try annotation.word(words) }
        guard let field = spec["trafficDistribution"] else { return .none }
        let text = try field.text()
        guard let known = words.first(where: { $0.key == text })?.value else {
            tell(field, "trafficDistribution \"\(text)\" is not known here: all endpoints share")
            return .none
        }
        return known
    }

    private static func balancerAddresses(_ document: ManifestMembers) throws(ManifestError) -> [IPAddress] {
        var addresses: [IPAddress] = []
        let status = try document.members("status").members("loadBalancer")
        for field in try status.elements("ingress") {
            let entry = try field.members()
            // Only a host name, or a balancer that passes on as a proxy: nothing to capture.
            guard let ip = entry["ip"], try entry["ipMode"]?.text() != "Proxy" else { continue }
            let address = try ip.address()
            if !addresses.contains(address) { addresses.append(address) }
        }
        return addresses
    }
}
