import SansIO
import Wire

/// Asks one gateway by UPnP for one mapping, or for a pinhole in its IPv6 firewall: search, description, then calls.
///
/// Only the gateway itself is believed and connected to. Each connection carries one request and has a deadline.
struct UPnPClient: Sendable {
    private enum State: Sendable {
        case idle
        case searching(Attempt)
        case describing(Exchange, HTTPLocation)
        case calling(Exchange, UPnPAction)
    }

    /// A connection, and what has come on it.
    fileprivate struct Exchange: Sendable {
        let number: UInt32
        let deadline: Instant
        var received: [UInt8] = []
    }

    /// The last search goes out after 750 ms, and devices take up to a second.
    private static let searchCount = 3
    private static let exchangeTimeout: Duration = .seconds(3)
    /// External ports tried after the wanted one was taken.
    private static let portLimit = 4

    let target: MappingTarget
    private var state = State.idle
    private var service: UPnPService?
    private var externalAddress: IPAddress?
    /// What was granted last: the external port of a mapping, the number of a pinhole.
    private var externalPort: UInt16?
    private var pinhole: UInt16?
    private var portsTried = 0
    /// The gateway knows no leases that end (error 725).
    private var isPermanent = false

    init(_ target: MappingTarget) {
        self.target = target
    }

    var nextDeadline: Instant? {
        switch state {
        case .idle: nil
        case .searching(let attempt): attempt.nextDeadline
        case .describing(let exchange, _), .calling(let exchange, _): exchange.deadline
        }
    }

    // MARK: asking

    /// Finds the gateway's service if it is not known, and asks for its address.
    mutating func probe(at now: Instant, _ outbox: inout MappingOutbox) -> MethodEvent? {
        stop(&outbox)
        guard service != nil else {
            state = .searching(Attempt(count: Self.searchCount, at: now, using: &outbox.random))
            search(&outbox)
            return nil
        }
        // A pinhole has no address of its own to ask for.
        guard target.isIPv4 else { return .available }
        call(.externalAddress, at: now, &outbox)
        return nil
    }

    /// Asks for the mapping, or for it to last longer. Only after `probe` said that the gateway is there.
    mutating func claim(_ suggestedPort: UInt16, at now: Instant, _ outbox: inout MappingOutbox) {
        portsTried = 0
        add(externalPort ?? suggestedPort, at: now, &outbox)
    }

    /// Asks for the mapping to be deleted.
    mutating func release(at now: Instant, _ outbox: inout MappingOutbox) -> MethodEvent? {
        stop(&outbox)
        if let pinhole {
            call(.deletePinhole(id: pinhole), at: now, &outbox)
        } else if let externalPort {
            call(.deleteMapping(externalPort: externalPort), at: now, &outbox)
        }
        if case .calling = state { return nil }
        return .released
    }

    mutating func stop(_ outbox: inout MappingOutbox) {
        switch state {
        case .idle, .searching: break
        case .describing(let exchange, _), .calling(let exchange, _): outbox.append(.close(number: exchange.number))
        }
        state = .idle
    }

    mutating func advance(to now: Instant, _ outbox: inout MappingOutbox) -> MethodEvent? {
        switch state {
        case .searching(var attempt):
            switch attempt.advance(to: now, using: &outbox.random) {
            case .ask:
                state = .searching(attempt)
                search(&outbox)
                return nil
            case .giveUp:
                state = .idle
                return .unanswered
            case nil: return nil
            }
        case .describing(let exchange, _) where exchange.deadline <= now,
            .calling(let exchange, _) where exchange.deadline <= now:
            return fail(&outbox)
        case .idle, .describing, .calling: return nil
        }
    }

    private func search(_ outbox: inout MappingOutbox) {
        let group = target.isIPv4 ? SSDP.group4 : SSDP.group6
        let everyone = Endpoint(group, port: SSDP.port, scope: target.isIPv4 ? 0 : target.gateway.interface)
        for destination in [everyone, target.gateway.endpoint(port: SSDP.port)] {
            for type in SSDP.deviceTypes {
                outbox.send(SSDP.search(for: type, host: everyone), to: destination, for: target)
            }
        }
    }

    private mutating func add(_ port: UInt16, at now: Instant, _ outbox: inout MappingOutbox) {
        if target.isIPv4 {
            externalPort = port
            let lease = isPermanent ? 0 : Mapping.lifetimeSeconds
            call(.addMapping(externalPort: port, local: target.local, leaseSeconds: lease), at: now, &outbox)
        } else if let pinhole {
            call(.updatePinhole(id: pinhole, leaseSeconds: Mapping.lifetimeSeconds), at: now, &outbox)
        } else {
            call(.addPinhole(local: target.local, leaseSeconds: Mapping.lifetimeSeconds), at: now, &outbox)
        }
    }

    private mutating func call(_ action: UPnPAction, at now: Instant, _ outbox: inout MappingOutbox) {
        guard let service else { return }
        let exchange = exchange(action.request(to: service), with: service.control, at: now, &outbox)
        state = .calling(exchange, action)
    }

    private func exchange(
        _ request: [UInt8], with location: HTTPLocation, at now: Instant, _ outbox: inout MappingOutbox
    ) -> Exchange {
        let endpoint = target.gateway.endpoint(location.endpoint.address, port: location.endpoint.port)
        let number = outbox.connect(to: endpoint, for: target, request: request)
        return Exchange(number: number, deadline: now + Self.exchangeTimeout)
    }

    // MARK: answers

    /// Takes an answer to a search, from wherever it comes.
    mutating func receive(
        _ answer: SSDPAnswer, from source: Endpoint, at now: Instant, _ outbox: inout MappingOutbox
    ) {
        guard case .searching = state, isGateway(source.address), isGateway(answer.location.endpoint.address) else {
            return
        }
        let request = HTTPRequest.get(answer.location)
        state = .describing(exchange(request, with: answer.location, at: now, &outbox), answer.location)
    }

    /// Whether an address is the gateway's. An IPv6 gateway is known by its link-local address alone, so that any address of
    /// this host's own link is believed: who answers there can at most claim to have opened a pinhole.
    private func isGateway(_ address: IPAddress) -> Bool {
        if address == target.gateway.address { return true }
        guard !address.isIPv4, !target.isIPv4 else { return false }
        return IPPrefix(target.local.address, length: 64)?.contains(address) ?? false
    }

    /// Takes what came on a connection of this client; `isClosed`: nothing more will come.
    mutating func receive(
        _ bytes: [UInt8], on number: UInt32, isClosed: Bool, at now: Instant, _ outbox: inout MappingOutbox
    ) -> MethodEvent? {
        switch state {
        case .describing(var exchange, let location) where exchange.number == number:
            switch exchange.append(bytes, isClosed: isClosed) {
            case .incomplete:
                state = .describing(exchange, location)
                return nil
            case .malformed: return fail(&outbox)
            case .complete(let reply):
                stop(&outbox)
                return receiveDescription(reply, from: location, at: now, &outbox)
            }
        case .calling(var exchange, let action) where exchange.number == number:
            switch exchange.append(bytes, isClosed: isClosed) {
            case .incomplete:
                state = .calling(exchange, action)
                return nil
            case .malformed: return fail(&outbox)
            case .complete(let reply):
                stop(&outbox)
                guard let answer = try? UPnPAnswer(parsing: reply) else { return fail(&outbox) }
                return receive(answer, to: action, at: now, &outbox)
            }
        default: return nil
        }
    }

    private mutating func receiveDescription(
        _ reply: HTTPReply, from location: HTTPLocation, at now: Instant, _ outbox: inout MappingOutbox
    ) -> MethodEvent? {
        // A description that cannot be read is as good as none.
        guard reply.status == 200,
            let description = try? DeviceDescription(parsing: reply.body, from: location),
            let found = description.service(forIPv4: target.isIPv4), isGateway(found.control.endpoint.address)
        else { return fail(&outbox) }
        service = found
        return probe(at: now, &outbox)
    }

    private mutating func receive(
        _ answer: UPnPAnswer, to action: UPnPAction, at now: Instant, _ outbox: inout MappingOutbox
    ) -> MethodEvent? {
        switch (action, answer) {
        case (.deleteMapping, _), (.deletePinhole, _):
            (externalPort, pinhole) = (nil, nil)
            return .released
        case (.externalAddress, .values(let values)):
            externalAddress = values["NewExternalIPAddress"].flatMap { IPAddress($0) }
            let isThere = externalAddress.map { $0.isIPv4 && $0.isUnicast } ?? false
            return isThere ? .available : .refused(.noExternalAddress, retryAfter: .zero)
        case (.addMapping(let port, _, let lease), .values):
            let external = Endpoint(externalAddress ?? .v4(.any), port: port)
            guard external.isUsable(forIPv4: true) else { return .refused(.unusableAnswer, retryAfter: .zero) }
            let lifetime = lease == 0 ? Mapping.lifetimeSeconds : lease
            return .granted(external: external, lifetime: .seconds(Int64(lifetime)))
        case (.addPinhole(_, let lease), .values(let values)):
            guard let id = values["UniqueID"].flatMap({ UInt16($0) }) else {
                return .refused(.unusableAnswer, retryAfter: .zero)
            }
            pinhole = id
            return .granted(external: target.local, lifetime: .seconds(Int64(lease)))
        case (.updatePinhole(_, let lease), .values):
            return .granted(external: target.local, lifetime: .seconds(Int64(lease)))
        case (_, .fault(let code)): return receiveFault(code, of: action, at: now, &outbox)
        }
    }

    private mutating func receiveFault(
        _ code: Int, of action: UPnPAction, at now: Instant, _ outbox: inout MappingOutbox
    ) -> MethodEvent? {
        switch (action, code) {
        case (.addMapping, UPnPFault.onlyPermanentLeases) where !isPermanent,
            (.addMapping, UPnPFault.invalidArguments) where !isPermanent,
            (.addMapping, UPnPFault.actionFailed) where !isPermanent:
            // Not all gateways that know no leases say so by the proper code.
            isPermanent = true
            add(externalPort ?? target.local.port, at: now, &outbox)
            return nil
        case (.addMapping, UPnPFault.conflict) where portsTried < Self.portLimit,
            (.addMapping, UPnPFault.conflictWithOtherMechanisms) where portsTried < Self.portLimit:
            portsTried += 1
            add(UInt16.random(in: 1024...65_535, using: &outbox.random), at: now, &outbox)
            return nil
        case (.updatePinhole, UPnPFault.noSuchEntry):
            pinhole = nil
            add(target.local.port, at: now, &outbox)
            return nil
        default:
            if case .addMapping = action { externalPort = nil }
            return .refused(.upnp(code: code), retryAfter: .zero)
        }
    }

    /// No answer, or none that can be read: next time the gateway is searched for anew.
    private mutating func fail(_ outbox: inout MappingOutbox) -> MethodEvent {
        let isReleasing =
            switch state {
            case .calling(_, .deleteMapping), .calling(_, .deletePinhole): true
            default: false
            }
        stop(&outbox)
        service = nil
        return isReleasing ? .released : .unanswered
    }
}

extension UPnPClient.Exchange {
    fileprivate mutating func append(_ bytes: [UInt8], isClosed: Bool) -> HTTPReply.Progress {
        received += bytes
        return HTTPReply.parse(received, isClosed: isClosed)
    }
}
