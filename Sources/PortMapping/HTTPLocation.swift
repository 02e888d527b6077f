package import Wire

/// An http URL whose host is an IP address, the only kind that we follow.
package struct HTTPLocation: Equatable, Sendable {
    package var endpoint: Endpoint
    /// With its leading slash, and the query if there is one.
    package var path: String

    private static let scheme = "http://"
    private static let limitBytes = 512

    package init(_ endpoint: Endpoint, path: String) {
        self.endpoint = endpoint
        self.path = path
    }

    /// Parses "http://192.0.2.1:5000/rootDesc.xml". The port is 80 where none is given; a zone of an IPv6 address is dropped.
    package init?(_ text: some StringProtocol) {
        guard text.utf8.count <= Self.limitBytes, Self.isPlain(text),
            text.prefix(Self.scheme.count).lowercased() == Self.scheme
        else { return nil }
        let rest = text.dropFirst(Self.scheme.count)
        let authority = rest.prefix { $0 != "/" && $0 != "?" }
        guard let endpoint = Self.endpoint(authority) else { return nil }
        let path = rest.dropFirst(authority.count)
        self.init(endpoint, path: path.hasPrefix("/") ? String(path) : "/" + path)
    }

    /// What a link in a document at this place, or with this base, leads to.
    package func resolving(_ link: String) -> HTTPLocation? {
        if link.hasURLScheme { return HTTPLocation(link) }
        guard link.utf8.count <= Self.limitBytes, Self.isPlain(link), !link.isEmpty else { return nil }
        if link.hasPrefix("/") { return HTTPLocation(endpoint, path: link) }
        let folder = path.prefix { $0 != "?" }
        let end = folder.lastIndex(of: "/") ?? folder.startIndex
        return HTTPLocation(endpoint, path: folder[..<end] + "/" + link)
    }

    /// Neither spaces nor control characters nor anything beyond ASCII, so that the text may stand in a request line.
    private static func isPlain(_ text: some StringProtocol) -> Bool {
        text.utf8.allSatisfy { (0x21...0x7e).contains($0) }
    }

    private static func endpoint(_ authority: some StringProtocol) -> Endpoint? {
        guard let open = authority.firstIndex(of: "["), let close = authority.firstIndex(of: "]") else {
            return Endpoint(authority) ?? IPv4Address(authority).map { Endpoint(.v4($0), port: 80) }
        }
        guard open == authority.startIndex, open < close else { return nil }
        let host = authority[authority.index(after: open)..<close].prefix { $0 != "%" }
        guard let address = IPv6Address(host) else { return nil }
        let tail = authority[authority.index(after: close)...]
        if tail.isEmpty { return Endpoint(.v6(address), port: 80) }
        return Endpoint("[\(address)]\(tail)")
    }
}
