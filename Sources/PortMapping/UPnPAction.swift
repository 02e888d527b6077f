package import Wire

/// What is asked of a gateway's service: WANIPConnection (IGD 1.0 §2.4, IGD 2.0 §2.5) for IPv4, WANIPv6FirewallControl
/// (IGD 2.0) for IPv6.
package enum UPnPAction: Equatable, Sendable {
    case externalAddress
    /// Lease 0 is for ever.
    case addMapping(externalPort: UInt16, local: Endpoint, leaseSeconds: UInt32)
    case deleteMapping(externalPort: UInt16)
    case addPinhole(local: Endpoint, leaseSeconds: UInt32)
    case updatePinhole(id: UInt16, leaseSeconds: UInt32)
    case deletePinhole(id: UInt16)

    /// What the gateway shows its owner.
    static let label = "KubeMesh"

    var name: String {
        switch self {
        case .externalAddress: "GetExternalIPAddress"
        case .addMapping: "AddPortMapping"
        case .deleteMapping: "DeletePortMapping"
        case .addPinhole: "AddPinhole"
        case .updatePinhole: "UpdatePinhole"
        case .deletePinhole: "DeletePinhole"
        }
    }

    /// In the order that the service's definition gives, which some gateways insist on.
    private var arguments: [(name: String, value: String)] {
        switch self {
        case .externalAddress: []
        case .addMapping(let externalPort, let local, let leaseSeconds):
            [
                ("NewRemoteHost", ""), ("NewExternalPort", "\(externalPort)"), ("NewProtocol", "UDP"),
                ("NewInternalPort", "\(local.port)"), ("NewInternalClient", "\(local.address)"), ("NewEnabled", "1"),
                ("NewPortMappingDescription", Self.label), ("NewLeaseDuration", "\(leaseSeconds)"),
            ]
        case .deleteMapping(let externalPort):
            [("NewRemoteHost", ""), ("NewExternalPort", "\(externalPort)"), ("NewProtocol", "UDP")]
        case .addPinhole(let local, let leaseSeconds):
            [
                ("RemoteHost", ""), ("RemotePort", "0"), ("InternalClient", "\(local.address)"),
                ("InternalPort", "\(local.port)"), ("Protocol", "\(PCP.udp)"), ("LeaseTime", "\(leaseSeconds)"),
            ]
        case .updatePinhole(let id, let leaseSeconds): [("UniqueID", "\(id)"), ("NewLeaseTime", "\(leaseSeconds)")]
        case .deletePinhole(let id): [("UniqueID", "\(id)")]
        }
    }

    /// The HTTP request that calls the action (SOAP 1.1).
    package func request(to service: UPnPService) -> [UInt8] {
        let values = arguments.map { "<\($0.name)>\($0.value)</\($0.name)>" }.joined()
        let body = """
            <?xml version="1.0"?>\r
            <s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" \
            s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>\
            <u:\(name) xmlns:u="\(service.type)">\(values)</u:\(name)></s:Body></s:Envelope>\r\n
            """
        return HTTPRequest.post(body, to: service.control, action: "\(service.type)#\(name)")
    }
}

/// The answer to a `UPnPAction`.
package enum UPnPAnswer: Equatable, Sendable {
    /// Results by name, without those that are empty.
    case values([String: String])
    /// A UPnP error code or, where the gateway gave none, the HTTP status.
    case fault(code: Int)

    private static let valueLimit = 32

    package init(parsing reply: HTTPReply) throws(WireError) {
        var values: [String: String] = [:]
        var reader = XMLReader(reply.body)
        var name = ""
        // A fault without a readable body is a fault all the same.
        guard reply.status == 200 || !reply.body.isEmpty else {
            self = .fault(code: reply.status)
            return
        }
        while let token = try reader.next() {
            switch token {
            case .start(let started): name = started
            case .text(let text):
                let text = text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
                if !name.isEmpty, !text.isEmpty, values.count < Self.valueLimit { values[name] = text }
            case .end: name = ""
            }
        }
        if reply.status == 200, values["errorCode"] == nil {
            self = .values(values)
        } else {
            self = .fault(code: values["errorCode"].flatMap { Int($0) } ?? reply.status)
        }
    }
}

/// Error codes of the services that are acted on; the rest are refusals.
enum UPnPFault {
    static let invalidArguments = 402
    static let actionFailed = 501
    static let noSuchEntry = 704
    static let conflict = 718
    static let onlyPermanentLeases = 725
    static let conflictWithOtherMechanisms = 729
}
