package import Wire

/// A service of an Internet gateway device, and where its actions are called.
package struct UPnPService: Equatable, Sendable {
    /// As "urn:schemas-upnp-org:service:WANIPConnection:1".
    package var type: String
    package var control: HTTPLocation

    package init(type: String, control: HTTPLocation) {
        self.type = type
        self.control = control
    }
}

/// The services that a gateway's description names (UPnP Device Architecture 1.1 §2.3).
package struct DeviceDescription: Equatable, Sendable {
    /// Services that map ports of IPv4, the best first.
    static let mappingTypes = [
        "urn:schemas-upnp-org:service:WANIPConnection:2", "urn:schemas-upnp-org:service:WANIPConnection:1",
        "urn:schemas-upnp-org:service:WANPPPConnection:1",
    ]
    /// Opens pinholes in an IPv6 firewall.
    static let pinholeType = "urn:schemas-upnp-org:service:WANIPv6FirewallControl:1"

    private static let serviceLimit = 64

    package private(set) var services: [UPnPService] = []

    /// `source` is where the description was read, which links in it may be relative to.
    package init(parsing document: [UInt8], from source: HTTPLocation) throws(WireError) {
        var reader = XMLReader(document)
        var base = source
        var path: [String] = []
        var type = ""
        var link = ""
        while let token = try reader.next() {
            switch token {
            case .start(let name):
                path.append(name)
                if name == "service" { (type, link) = ("", "") }
            case .text(let text):
                let text = text.split(whereSeparator: \.isWhitespace).joined()
                switch path.suffix(2) {
                case ["root", "URLBase"]: base = HTTPLocation(text) ?? base
                case ["service", "serviceType"]: type += text
                case ["service", "controlURL"]: link += text
                default: break
                }
            case .end(let name):
                path.removeLast()
                if name == "service", let control = base.resolving(link), services.count < Self.serviceLimit {
                    services.append(UPnPService(type: type, control: control))
                }
            }
        }
    }

    /// The service to ask for an endpoint of a family.
    func service(forIPv4 isIPv4: Bool) -> UPnPService? {
        let types = isIPv4 ? Self.mappingTypes : [Self.pinholeType]
        return types.lazy.compactMap { type in services.first { $0.type == type } }.first
    }
}
