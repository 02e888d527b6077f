import Crypto
import Linux
import Mesh
import PortMapping
import SansIO
import Wire

/// Has the node's ports mapped by this host's gateways: the mapper's sockets, connections and memory.
///
/// Confined to the control thread. Whoever owns it forwards readiness of `fileDescriptor`, calls `advance` when `nextDeadline`
/// has passed, and passes on what `takeChange` gives. Sockets are open only while something is wanted.
final class PortMappingService {
    /// A connection to a gateway, and what of the request is still to be sent.
    private struct Connection {
        let socket: TCPSocket
        var unsent: ArraySlice<UInt8>
    }

    /// Gateways announce there that they have started anew (RFC 6887 §14.1, RFC 6886 §3.2.1).
    private static let announcementPort: UInt16 = 5350
    /// Longer than any answer of a gateway.
    private static let datagramLimit = 2048
    private static let readLimit = 1 << 14
    /// Connections are named by their number and this; what is below names a socket.
    private static let firstConnection: UInt64 = 16
    private static let stopTimeout: Duration = .seconds(1)
    /// UPnP takes longest to answer: a search, a description and two calls.
    private static let recoveryTimeout: Duration = .seconds(3)

    private let readiness: ReadinessSet
    private let state: StateKeeper
    private let log: Log
    private var mapper: PortMapper
    private var events: [ReadinessSet.Event] = []
    private var receiver = DatagramReceiver(count: 4)
    private var sockets: [UDPSocket] = []
    private var connections: [UInt32: Connection] = [:]
    private var isWanted = false
    private var hasChanged = false

    init(state: StateKeeper, log: Log) throws(AgentError) {
        self.state = state
        self.log = log
        do { readiness = try ReadinessSet() } catch { throw .system(error) }
        var random = SystemRandom()
        mapper = PortMapper(
            secret: state.portMappingSecret(), remembered: state.mappedPorts, seed: random.next())
    }

    /// Readable when there is something for `ready()` to do.
    var fileDescriptor: Int32 { readiness.descriptor.number }
    var nextDeadline: Instant? { mapper.nextDeadline }
    var statuses: [PortMapper.Status] { mapper.statuses }
    var counts: MappingCounts { mapper.counts }

    /// What is mapped, if that has changed since it was last taken.
    func takeChange() -> [MappedEndpoint]? {
        guard hasChanged else { return nil }
        hasChanged = false
        return mapper.statuses.compactMap(\.lease).map { lease in
            MappedEndpoint(lease.external, by: MappedEndpoint.Method(lease.method), expiresAt: lease.expiresAt)
        }
    }

    // MARK: what happens

    /// Takes over what is to be mapped; nothing, where it is switched off.
    func follow(_ targets: [MappingTarget]) {
        isWanted = !targets.isEmpty
        if isWanted, sockets.isEmpty { openSockets() }
        mapper.follow(targets, at: SystemClock.now)
        carryOut()
    }

    func ready() {
        serve(milliseconds: 0)
    }

    private func serve(milliseconds: Int32) {
        readiness.wait(&events, milliseconds: milliseconds)
        for event in events {
            if event.token < Self.firstConnection {
                receive(from: Int(event.token))
            } else {
                advance(UInt32(truncatingIfNeeded: event.token - Self.firstConnection))
            }
        }
        carryOut()
    }

    func advance() {
        mapper.advance(to: SystemClock.now)
        carryOut()
    }

    /// Has all mappings deleted and waits for that, for a second at most. Where a killed predecessor left some and nothing has
    /// been answered yet, that is waited for first: only what is known to be there can be deleted by every protocol.
    func stop() {
        if state.holdsMappings, mapper.statuses.allSatisfy({ $0.lease == nil }) {
            serve(for: Self.recoveryTimeout) { mapper.statuses.allSatisfy { $0.lease != nil || $0.problem != nil } }
        }
        follow([])
        serve(for: Self.stopTimeout) { mapper.isReleased }
        state.holdsMappings = false
        closeAll()
    }

    private func serve(for limit: Duration, until isDone: () -> Bool) {
        let end = SystemClock.now + limit
        while !isDone(), SystemClock.now < end {
            let next = min(end, mapper.nextDeadline ?? end)
            let wait = (next - SystemClock.now).nanoseconds / 1_000_000
            serve(milliseconds: Int32(clamping: max(1, wait)))
            advance()
        }
    }

    // MARK: sockets

    /// A host without IPv6 has no such sockets, and somebody else may listen for announcements: it goes on without them.
    private func openSockets() {
        for address in [IPAddress.v4(.any), .v6(.any)] {
            for port in [0, Self.announcementPort] {
                do {
                    let socket = try UDPSocket(asking: Endpoint(address, port: port), sharesPort: port != 0)
                    try readiness.add(socket.descriptor, for: .readable, token: UInt64(sockets.count))
                    sockets.append(socket)
                } catch {
                    log.debug("a socket for port mapping is missing", ["reason": "\(error)"])
                }
            }
        }
    }

    private func closeAll() {
        sockets = []
        connections = [:]
    }

    private func receive(from index: Int) {
        guard sockets.indices.contains(index) else { return }
        let count = receiver.receive(from: sockets[index].descriptor)
        for message in (0..<count).compactMap({ receiver.message($0) }) where message.count <= Self.datagramLimit {
            let bytes = unsafe Array(UnsafeRawBufferPointer(start: message.start, count: message.count))
            mapper.receive(bytes, from: message.source, at: SystemClock.now)
        }
    }

    private func send(_ datagram: [UInt8], to endpoint: Endpoint, from source: IPAddress, interface: UInt32) {
        let socket = sockets.first { socket in
            socket.isIPv4 == endpoint.address.isIPv4 && socket.localEndpoint.port != Self.announcementPort
        }
        // What cannot be sent counts as lost on the way: the mapper repeats it.
        do {
            try socket?.send(datagram, to: endpoint, from: source, interface: interface)
        } catch {
            log.debug("a gateway cannot be asked", ["reason": "\(error)"])
        }
    }

    // MARK: connections

    private func connect(_ number: UInt32, to endpoint: Endpoint, from source: IPAddress, request: [UInt8]) {
        do {
            let socket = try TCPSocket.connect(to: endpoint, from: source)
            try readiness.add(socket.descriptor, for: .writable, token: Self.firstConnection + UInt64(number))
            connections[number] = Connection(socket: socket, unsent: request[...])
        } catch {
            log.debug("a gateway cannot be asked", ["reason": "\(error)"])
            mapper.receive([], onConnection: number, isClosed: true, at: SystemClock.now)
        }
    }

    private func advance(_ number: UInt32) {
        guard let connection = connections[number] else { return }
        var received: [UInt8] = []
        var isClosed = false
        do {
            if connection.unsent.isEmpty {
                let outcome = try connection.socket.descriptor.read(into: &received, limit: Self.readLimit)
                isClosed = outcome == .end
            } else {
                try connection.socket.checkConnected()
                try sendRest(of: connection, number)
            }
        } catch {
            isClosed = true
        }
        if isClosed { connections[number] = nil }
        mapper.receive(received, onConnection: number, isClosed: isClosed, at: SystemClock.now)
    }

    private func sendRest(of connection: Connection, _ number: UInt32) throws(SystemError) {
        guard case .bytes(let count) = try connection.socket.descriptor.send(connection.unsent) else { return }
        let rest = connection.unsent.dropFirst(count)
        connections[number]?.unsent = rest
        guard rest.isEmpty else { return }
        try readiness.setInterest(
            .readable, of: connection.socket.descriptor, token: Self.firstConnection + UInt64(number))
    }

    // MARK: carrying out

    private func carryOut() {
        // A connection that is refused at once makes actions of its own.
        while case let actions = mapper.takeActions(), !actions.isEmpty {
            for action in actions { carryOut(action) }
        }
        if !isWanted, mapper.isReleased { closeAll() }
    }

    private func carryOut(_ action: MappingAction) {
        switch action {
        case .send(let datagram, let endpoint, let source, let interface):
            send(datagram, to: endpoint, from: source, interface: interface)
        case .connect(let number, let endpoint, let source, let request):
            connect(number, to: endpoint, from: source, request: request)
        case .close(let number): connections[number] = nil
        case .changed:
            hasChanged = true
            if mapper.statuses.contains(where: { $0.lease != nil }) { state.holdsMappings = true }
            state.mappedPorts = mapper.knownPorts
        case .event(let event): event.write(to: log)
        }
    }
}

extension MappedEndpoint.Method {
    fileprivate init(_ method: MappingMethod) {
        switch method {
        case .pcp: self = .pcp
        case .natPMP: self = .natPMP
        case .upnp: self = .upnp
        }
    }
}

extension MappingEvent {
    /// One line an event. Most hosts have no gateway that maps ports, which is nothing to worry about.
    fileprivate func write(to log: Log) {
        switch self {
        case .mapped(let target, let lease):
            log.info(
                lease.isBehindAnotherNAT ? "port mapped by a gateway that is behind another NAT" : "port mapped",
                [
                    "external": "\(lease.external)", "local": "\(target.local)", "method": lease.method.rawValue,
                    "gateway": "\(target.gateway.address)",
                ])
        case .lost(let target, let lease, let problem):
            log.info(
                "port mapping lost",
                [
                    "external": "\(lease.external)", "local": "\(target.local)",
                    "gateway": "\(target.gateway.address)", "reason": "\(problem)",
                ])
        case .failed(let target, let problem):
            log.info(
                "port not mapped",
                ["local": "\(target.local)", "gateway": "\(target.gateway.address)", "reason": "\(problem)"])
        case .restarted(let gateway): log.info("the gateway has started anew", ["gateway": "\(gateway.address)"])
        }
    }
}
