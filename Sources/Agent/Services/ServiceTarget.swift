import Arguments
package import ControlAPI
package import Services
package import Wire

/// A service or an address as people write it, with a port or without: `web`, `web.shop`, `shop/web`,
/// `web.shop.svc.cluster.local`, `web.shop:http`, `10.96.0.10`, `10.96.0.10:53/udp`, `[fd96::10]:53`.
package struct ServiceTarget: Equatable, Sendable {
    package enum Subject: Equatable, Sendable {
        case service(namespace: String?, name: String)
        case address(IPAddress)
    }

    package enum Port: Equatable, Sendable {
        case number(UInt16)
        case name(String)
    }

    package var subject: Subject
    package var port: Port?
    package var transport: TransportProtocol?

    /// `nil` for text that is none of this.
    package init?(_ text: String, clusterDomain: String = "cluster.local") {
        var text = text[...]
        if let address = Self.address(text) {
            subject = .address(address)
            return
        }
        if let slash = text.lastIndex(of: "/"), text[..<slash].utf8.contains(UInt8(ascii: ":")),
            let transport = TransportProtocol(String(text[text.index(after: slash)...]))
        {
            self.transport = transport
            text = text[..<slash]
        }
        if let endpoint = Endpoint(text), endpoint.port > 0 {
            subject = .address(endpoint.address)
            port = .number(endpoint.port)
            return
        }
        if let colon = text.firstIndex(of: ":") {
            let port = String(text[text.index(after: colon)...])
            if let number = UInt16(port), number > 0 {
                self.port = .number(number)
            } else if NodeName(port) != nil, UInt64(port) == nil {
                self.port = .name(port)
            } else {
                return nil
            }
            text = text[..<colon]
        }
        guard let subject = Self.service(text.lowercased(), clusterDomain) else { return nil }
        self.subject = subject
    }

    private static func address(_ text: Substring) -> IPAddress? {
        guard text.first == "[", text.last == "]" else { return IPAddress(text) }
        return IPv6Address(text.dropFirst().dropLast()).map { .v6($0) }
    }

    private static func service(_ text: String, _ clusterDomain: String) -> Subject? {
        let halves = text.split(separator: "/" as Character, omittingEmptySubsequences: false)
        if halves.count == 2 {
            guard let namespace = label(halves[0]), let name = label(halves[1]) else { return nil }
            return .service(namespace: namespace, name: name)
        }
        let dotted = text.last == "." ? text.dropLast() : text[...]
        let labels = dotted.split(separator: "." as Character, omittingEmptySubsequences: false)
        guard let name = labels.first.flatMap({ label($0) }) else { return nil }
        guard labels.count > 1 else { return .service(namespace: nil, name: name) }
        guard let namespace = label(labels[1]) else { return nil }
        if labels.count > 2 {
            let domain = labels.dropFirst(3).joined(separator: ".")
            guard labels[2] == "svc", domain.isEmpty || domain == clusterDomain else { return nil }
        }
        return .service(namespace: namespace, name: name)
    }

    /// A DNS label (RFC 1123 §2.1).
    static func label(_ text: some StringProtocol) -> String? {
        let text = String(text)
        guard text.utf8.count <= 63, !text.utf8.contains(UInt8(ascii: ".")), NodeName(text) != nil else { return nil }
        return text
    }
}

extension Catalog {
    /// The service that somebody means. Without a namespace it is the one in `default`, else the only one of that name.
    ///
    /// - Parameter otherNames: what else might have been meant, for the nearest spelling.
    package func service(
        meantBy text: String, clusterDomain: String = "cluster.local", otherNames: [String] = []
    ) -> Result<ServiceName, Failure> {
        guard let target = ServiceTarget(text, clusterDomain: clusterDomain),
            case .service(let namespace, let name) = target.subject
        else {
            return .failure(
                Failure(
                    .usage, "\"\(text)\" cannot name a service", nextStep: "write it as web, web.shop or shop/web"))
        }
        return service(named: name, in: namespace, otherNames: otherNames)
    }

    func service(
        named name: String, in namespace: String?, otherNames: [String] = []
    ) -> Result<ServiceName, Failure> {
        let direct = ServiceName(namespace: namespace ?? "default", name: name)
        if service(direct) != nil { return .success(direct) }
        let all = serviceNames
        if namespace == nil {
            let namesakes = all.filter { $0.name == name }
            if namesakes.count == 1 { return .success(namesakes[0]) }
            if namesakes.count > 1 {
                let names = namesakes.prefix(5).map(\.dotted).joined(separator: ", ")
                return .failure(
                    Failure(
                        .usage, "\(namesakes.count) services are called \(name): \(names)",
                        nextStep: "name one of them with its namespace"))
            }
        }
        let written = namespace.map { "\(name).\($0)" } ?? name
        let near =
            namespace == nil
            ? NearMiss.suggestion(for: name, among: all.map(\.name) + otherNames)
            : NearMiss.suggestion(for: written, among: all.map(\.dotted))
        let question = near.map { "; did you mean \($0)?" } ?? ""
        let what = otherNames.isEmpty ? "service" : "service or node"
        return .failure(
            Failure(
                .failed, "no \(what) is called \(written)\(question)",
                nextStep: otherNames.isEmpty ? "see meshctl services" : "see meshctl services and meshctl peers"))
    }
}

extension ServiceName {
    /// As DNS has it: `web.shop`.
    package var dotted: String { "\(name).\(namespace)" }
}
