package import Wire

/// Finding an Internet gateway device (UPnP Device Architecture 1.1 §1.3). We ask by multicast, as the standard says, and ask
/// the gateway itself too, since switches and access points lose multicast.
package enum SSDP {
    package static let port: UInt16 = 1900
    package static let group4 = IPAddress.v4(IPv4Address(239, 255, 255, 250))
    /// Link-local scope.
    package static let group6 = IPAddress.v6(IPv6Address(high: 0xff02 << 48, low: 0xc))
    /// What is searched for. A device of version 2 must answer for version 1 too, but not all do.
    static let deviceTypes = [2, 1].map { "\(deviceTypePrefix)\($0)" }
    static let deviceTypePrefix = "urn:schemas-upnp-org:device:InternetGatewayDevice:"
    static let messageLimitBytes = 2048

    /// An M-SEARCH for `deviceType`, to be answered within a second.
    package static func search(for deviceType: String, host: Endpoint) -> [UInt8] {
        Array(
            """
            M-SEARCH * HTTP/1.1\r
            HOST: \(Endpoint(host.address, port: host.port))\r
            MAN: "ssdp:discover"\r
            MX: 1\r
            ST: \(deviceType)\r
            \r\n
            """.utf8)
    }
}

/// A gateway's answer to a search: where its description is.
package struct SSDPAnswer: Equatable, Sendable {
    package var location: HTTPLocation

    package init(location: HTTPLocation) {
        self.location = location
    }

    package init(parsing bytes: [UInt8]) throws(WireError) {
        guard bytes.count <= SSDP.messageLimitBytes else { throw .invalidField("length") }
        guard case .complete(let reply) = HTTPReply.parse(bytes, isClosed: true) else {
            throw .invalidField("header")
        }
        guard reply.status == 200 else { throw .invalidField("status") }
        guard reply.fields["st"]?.hasPrefix(SSDP.deviceTypePrefix) == true else { throw .invalidField("ST") }
        guard let location = reply.fields["location"].flatMap({ HTTPLocation($0) }) else {
            throw .invalidField("LOCATION")
        }
        self.location = location
    }
}
