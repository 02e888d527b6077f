import SansIO
import Wire

/// The three ways to ask one gateway for one mapping, behind one face.
struct GatewayClients: Sendable {
    /// Those that exist for the target's family, the preferred one first.
    let methods: [MappingMethod]
    var pcp: PCPClient
    var natPMP: NATPMPClient
    var upnp: UPnPClient

    init(_ target: MappingTarget, nonce: [UInt8]) {
        methods = target.isIPv4 ? MappingMethod.allCases : [.pcp, .upnp]
        pcp = PCPClient(target, nonce: nonce)
        natPMP = NATPMPClient(target)
        upnp = UPnPClient(target)
    }

    var nextDeadline: Instant? {
        [pcp.nextDeadline, natPMP.nextDeadline, upnp.nextDeadline].compactMap { $0 }.min()
    }

    /// Asks whether the gateway is there. PCP asks for the mapping itself at once; UPnP may know the answer already.
    mutating func probe(
        _ method: MappingMethod, for suggestion: Endpoint, at now: Instant, _ outbox: inout MappingOutbox
    ) -> MethodEvent? {
        switch method {
        case .pcp: pcp.ask(suggestion, at: now, &outbox)
        case .natPMP: natPMP.probe(at: now, &outbox)
        case .upnp: return upnp.probe(at: now, &outbox)
        }
        return nil
    }

    /// Asks a gateway that is there for the mapping, or for it to last longer.
    mutating func claim(
        _ method: MappingMethod, for suggestion: Endpoint, at now: Instant, _ outbox: inout MappingOutbox
    ) {
        switch method {
        case .pcp: pcp.ask(suggestion, at: now, &outbox)
        case .natPMP: natPMP.claim(suggestion.port, at: now, &outbox)
        case .upnp: upnp.claim(suggestion.port, at: now, &outbox)
        }
    }

    mutating func release(
        _ method: MappingMethod, at now: Instant, _ outbox: inout MappingOutbox
    ) -> MethodEvent? {
        switch method {
        case .pcp: pcp.release(at: now, &outbox)
        case .natPMP: natPMP.release(at: now, &outbox)
        case .upnp: return upnp.release(at: now, &outbox)
        }
        return nil
    }

    /// Waits for no answer any more.
    mutating func stop(_ outbox: inout MappingOutbox) {
        pcp.stop()
        natPMP.stop()
        upnp.stop(&outbox)
    }

    mutating func advance(
        _ method: MappingMethod, to now: Instant, _ outbox: inout MappingOutbox
    ) -> MethodEvent? {
        switch method {
        case .pcp: pcp.advance(to: now, &outbox)
        case .natPMP: natPMP.advance(to: now, &outbox)
        case .upnp: upnp.advance(to: now, &outbox)
        }
    }
}
