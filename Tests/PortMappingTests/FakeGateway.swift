import Crypto
import SansIO
import Testing
import Wire

@testable import PortMapping

/// A gateway as its clients see it, with faults to choose, and one host in front of it; time runs as the machine wants.
struct FakeGateway {
    static let address = IPAddress.v4(IPv4Address(192, 168, 1, 1))
    static let gateway = Gateway(address, interface: 2)
    static let host = Endpoint(.v4(IPv4Address(192, 168, 1, 10)), port: 20007)
    static let target = MappingTarget(host, through: gateway)
    static let gateway6 = Gateway(.v6(IPv6Address(high: 0xfe80 << 48, low: 1)), interface: 2)
    static let host6 = Endpoint(.v6(IPv6Address(high: 0x2001_0db8_0000_0001, low: 0x10)), port: 20007)
    static let target6 = MappingTarget(host6, through: gateway6)

    var speaks: Set<MappingMethod>
    var external = IPAddress.v4(IPv4Address(203, 0, 113, 5))
    var lifetimeSeconds: UInt32 = 7200
    var pcpResult = PCPResult.success
    var natPMPResult = NATPMPResult.success
    /// Faults that UPnP calls get, the first first.
    var faults: [Int] = []
    /// Taken by somebody else.
    var takenPorts: Set<UInt16> = []
    /// The next so many datagrams to the gateway are lost.
    var losses = 0
    /// How long answers take.
    var delays: [MappingMethod: Duration] = [:]
    var startedAt = Instant.zero

    var mapper = PortMapper(secret: Secret([UInt8](repeating: 7, count: 32)), seed: 1)
    var now = Instant.zero + .seconds(1000)
    /// External ports by local endpoint, and what was asked.
    private(set) var mappings: [Endpoint: UInt16] = [:]
    private(set) var nonces: [Endpoint: [UInt8]] = [:]
    private(set) var requests: [(method: MappingMethod, at: Instant)] = []
    private(set) var calls: [String] = []
    private(set) var events: [MappingEvent] = []
    private var pending: [(at: Instant, input: Input)] = []

    private enum Input {
        case datagram([UInt8], Endpoint)
        case connection([UInt8], UInt32)
    }

    init(_ speaks: Set<MappingMethod>) {
        self.speaks = speaks
    }

    var lease: MappingLease? { mapper.statuses.first?.lease }
    var problem: MappingProblem? { mapper.statuses.first?.problem }
    var epochSeconds: UInt32 { UInt32((now - startedAt).seconds) }

    // MARK: running

    mutating func follow(_ targets: [MappingTarget] = [target]) {
        mapper.follow(targets, at: now)
        carryOut()
    }

    mutating func release() {
        mapper.release(at: now)
        carryOut()
    }

    mutating func receive(_ datagram: [UInt8], from source: Endpoint) {
        mapper.receive(datagram, from: source, at: now)
        carryOut()
    }

    mutating func run(for duration: Duration) {
        let end = now + duration
        var turns = 0
        while let next = [mapper.nextDeadline, pending.map(\.at).min()].compactMap({ $0 }).min(), next <= end {
            turns += 1
            precondition(turns < 1_000_000, "the machine asks for a turn that changes nothing")
            now = max(now, next)
            if let index = pending.firstIndex(where: { $0.at <= now }) {
                switch pending.remove(at: index).input {
                case .datagram(let bytes, let source): mapper.receive(bytes, from: source, at: now)
                case .connection(let bytes, let number):
                    mapper.receive(bytes, onConnection: number, isClosed: true, at: now)
                }
            } else {
                mapper.advance(to: now)
            }
            carryOut()
        }
        now = end
    }

    /// Forgets all mappings, as a gateway that loses power does.
    mutating func restart() {
        mappings = [:]
        nonces = [:]
        startedAt = now
    }

    private mutating func carryOut() {
        for action in mapper.takeActions() {
            switch action {
            case .send(let datagram, let destination, _, _): serve(datagram, to: destination)
            case .connect(let number, let destination, _, let request): serve(request, number, at: destination)
            case .close(let number):
                pending.removeAll { if case .connection(_, number) = $0.input { true } else { false } }
            case .changed: break
            case .event(let event): events.append(event)
            }
        }
    }

    // MARK: the gateway

    private mutating func answer(_ bytes: [UInt8], from endpoint: Endpoint, by method: MappingMethod) {
        pending.append((now + (delays[method] ?? .milliseconds(1)), .datagram(bytes, endpoint)))
    }

    private mutating func serve(_ datagram: [UInt8], to destination: Endpoint) {
        guard losses == 0 else {
            losses -= 1
            return
        }
        if destination.port == SSDP.port {
            serveSearch(destination)
        } else if datagram.first == PCP.version {
            serve(pcp: datagram, from: destination)
        } else {
            serve(natPMP: datagram, from: destination)
        }
    }

    private mutating func serveSearch(_ destination: Endpoint) {
        requests.append((.upnp, now))
        guard speaks.contains(.upnp) else { return }
        let isIPv4 = destination.address.isIPv4
        let source = isIPv4 ? Self.address : Self.gateway6.address
        let text = """
            HTTP/1.1 200 OK\r
            ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r
            LOCATION: http://\(Endpoint(source, port: 5000))/rootDesc.xml\r
            \r\n
            """
        answer(Array(text.utf8), from: Endpoint(source, port: SSDP.port, scope: isIPv4 ? 0 : 2), by: .upnp)
    }

    private mutating func serve(pcp datagram: [UInt8], from endpoint: Endpoint) {
        guard let request = try? PCPMapRequest(parsing: datagram.span) else { return }
        requests.append((.pcp, now))
        guard speaks.contains(.pcp) else {
            guard speaks.contains(.natPMP) else { return }
            let refusal = NATPMPResponse.Content.refusal(.unsupportedVersion, opcode: PCP.mapOpcode)
            answer(NATPMPResponse(epochSeconds: epochSeconds, content: refusal).bytes, from: endpoint, by: .natPMP)
            return
        }
        let local = Endpoint(request.client, port: request.internalPort)
        var result = pcpResult
        if let nonce = nonces[local], nonce != request.nonce { result = .notAuthorized }
        if result == .success { mappings[local] = request.lifetimeSeconds == 0 ? nil : freePort(request.suggestedPort) }
        if result == .success { nonces[local] = request.lifetimeSeconds == 0 ? nil : request.nonce }
        let outside = request.client.isIPv4 ? external : request.client
        let response = PCPResponse(
            result: result, lifetimeSeconds: request.lifetimeSeconds == 0 ? 0 : lifetimeSeconds,
            epochSeconds: epochSeconds,
            content: .map(
                nonce: request.nonce, internalPort: request.internalPort,
                external: Endpoint(outside, port: mappings[local] ?? 0)))
        answer(response.bytes, from: endpoint, by: .pcp)
    }

    private mutating func serve(natPMP datagram: [UInt8], from endpoint: Endpoint) {
        guard let request = try? NATPMPRequest(parsing: datagram.span) else { return }
        requests.append((.natPMP, now))
        guard speaks.contains(.natPMP) else { return }
        let content: NATPMPResponse.Content
        switch request {
        case _ where natPMPResult != .success: content = .refusal(natPMPResult, opcode: datagram[1])
        case .externalAddress:
            guard case .v4(let address) = external else { return }
            content = .externalAddress(address)
        case .mapUDP(let internalPort, let suggestedPort, let lifetime):
            let local = Endpoint(Self.host.address, port: internalPort)
            mappings[local] = lifetime == 0 ? nil : freePort(suggestedPort)
            content = .mapUDP(
                internalPort: internalPort, externalPort: mappings[local] ?? 0,
                lifetimeSeconds: lifetime == 0 ? 0 : lifetimeSeconds)
        }
        answer(NATPMPResponse(epochSeconds: epochSeconds, content: content).bytes, from: endpoint, by: .natPMP)
    }

    private func freePort(_ wanted: UInt16) -> UInt16 {
        var port = wanted
        while takenPorts.contains(port) { port += 1 }
        return port
    }

    private mutating func serve(_ request: [UInt8], _ number: UInt32, at destination: Endpoint) {
        let text = String(decoding: request, as: UTF8.self)
        func values(of name: String) -> String? {
            text.split(separator: "<\(name)>").dropFirst().first?.split(separator: "<").first.map(String.init)
        }
        var body = ""
        var status = 200
        if text.hasPrefix("GET") {
            body = Self.description
        } else if let call = text.split(separator: "#").last?.split(separator: "\"").first.map(String.init) {
            calls.append(call)
            let port = values(of: "NewExternalPort").flatMap { UInt16($0) } ?? 0
            if !faults.isEmpty, call != "GetExternalIPAddress" {
                (status, body) = (500, Self.fault(faults.removeFirst()))
            } else if call == "AddPortMapping", takenPorts.contains(port) {
                (status, body) = (500, Self.fault(UPnPFault.conflict))
            } else {
                switch call {
                case "AddPortMapping": mappings[Self.host] = port
                case "DeletePortMapping": mappings[Self.host] = nil
                case "AddPinhole": mappings[Self.host6] = Self.host6.port
                case "DeletePinhole": mappings[Self.host6] = nil
                default: break
                }
                body = Self.envelope(
                    "<u:R><NewExternalIPAddress>\(external)</NewExternalIPAddress><UniqueID>9</UniqueID></u:R>")
            }
        }
        let reply = "HTTP/1.1 \(status) Any\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
        pending.append((now + .milliseconds(1), .connection(Array(reply.utf8), number)))
    }

    static func envelope(_ body: String) -> String {
        "<?xml version=\"1.0\"?><s:Envelope xmlns:s=\"e\"><s:Body>\(body)</s:Body></s:Envelope>"
    }

    static func fault(_ code: Int) -> String {
        envelope(
            "<s:Fault><detail><UPnPError><errorCode>\(code)</errorCode></UPnPError></detail></s:Fault>")
    }

    static let description = """
        <?xml version="1.0"?>
        <root xmlns="urn:schemas-upnp-org:device-1-0"><device><serviceList>
        <service><serviceType>urn:schemas-upnp-org:service:Layer3Forwarding:1</serviceType>
        <controlURL>/ctl/L3F</controlURL></service></serviceList><deviceList><device><serviceList>
        <service><serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType>
        <controlURL>/ctl/IPConn</controlURL></service>
        <service><serviceType>urn:schemas-upnp-org:service:WANIPv6FirewallControl:1</serviceType>
        <controlURL>/ctl/IP6FCtl</controlURL></service>
        </serviceList></device></deviceList></device></root>
        """
}
