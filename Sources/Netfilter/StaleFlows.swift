import CNetfilter
import Glibc
import Netlink
import Services
import Wire

/// Flows without an end of their own (UDP, SCTP) that the kernel would go on sending to where their service no longer is.
///
/// A flow keeps the translation of its first packet for as long as it sends. So flows to an endpoint that is gone are
/// forgotten, and flows that began while their service had no endpoint (and so were not translated) once it has one. Flows to
/// endpoints that remain are never touched, TCP never: it notices by itself, or goes on with an endpoint that is shutting down.
struct StaleFlows: Sendable {
    private struct Change: Sendable {
        /// Where flows may go; those to other places are stale.
        var wanted: Set<ServiceTarget>
        var gone: Set<ServiceTarget>
        /// Had no endpoint before.
        var isNew: Bool
    }

    private var changes: [ServiceKey: Change] = [:]

    var isEmpty: Bool { changes.isEmpty }

    /// Which addresses the flows were sent to, for the kernel to choose by: few, or `nil` for too many.
    var destinations: [ServiceKey]? { changes.count <= 8 ? changes.keys.sorted() : nil }

    mutating func note(_ key: ServiceKey, from old: ServiceEntry?, to new: ServiceEntry?) {
        guard key.transport != .tcp, old != new else { return }
        let (before, after) = (old?.targets ?? [], new?.targets ?? [])
        let gone = before.subtracting(after)
        let isNew = before.isEmpty && !after.isEmpty
        if !gone.isEmpty || isNew { changes[key] = Change(wanted: after, gone: gone, isNew: isNew) }
    }

    func contains(_ flow: TrackedConnection, ownAddresses: Set<IPAddress>) -> Bool {
        guard let transport = flow.transport, transport != .tcp else { return false }
        let isTranslated = flow.answerSource != flow.destination || flow.answerPort != flow.destinationPort
        let target = ServiceTarget(flow.answerSource, flow.answerPort)
        if let change = changes[ServiceKey(flow.destination, transport, flow.destinationPort)] {
            // Whoever else translates this address may go on when the service is not ours any more.
            return change.wanted.isEmpty ? change.gone.contains(target) : !change.wanted.contains(target)
        }
        let anyAddress: IPAddress = flow.destination.isIPv4 ? .v4(.any) : .v6(.any)
        guard let change = changes[ServiceKey(anyAddress, transport, flow.destinationPort)] else { return false }
        if isTranslated { return change.gone.contains(target) }
        return change.isNew && ownAddresses.contains(flow.destination)
    }
}

extension RuleSocket {
    /// Makes the kernel forget stale flows; their next packets start anew. Returns how many there were.
    mutating func forget(_ stale: StaleFlows) throws(RuleError) -> Int {
        guard !stale.isEmpty else { return 0 }
        let own = HostAddresses.all
        var found: [TrackedConnection] = []
        try forEachConnection(to: stale.destinations) { connection in
            if stale.contains(connection, ownAddresses: own) { found.append(connection) }
        }
        var count = 0
        for connection in found where try forget(connection) { count += 1 }
        return count
    }
}

/// The addresses of this host's interfaces in the thread's network namespace.
enum HostAddresses {
    @safe static var all: Set<IPAddress> {
        var list: UnsafeMutablePointer<ifaddrs>?
        guard unsafe getifaddrs(&list) == 0 else { return [] }
        defer { unsafe freeifaddrs(list) }
        var addresses: Set<IPAddress> = []
        var next = unsafe list
        while let item = unsafe next {
            unsafe next = item.pointee.ifa_next
            guard let address = unsafe item.pointee.ifa_addr else { continue }
            // Where the address lies: after family and port in sockaddr_in, after the flow label, too, in sockaddr_in6.
            let (offset, count) =
                switch unsafe Int32(address.pointee.sa_family) {
                case AF_INET: (4, 4)
                case AF_INET6: (8, 16)
                default: (0, 0)
                }
            let bytes = unsafe UnsafeRawBufferPointer(
                start: UnsafeRawPointer(address) + offset, count: count)
            if let own = unsafe IPAddress(bytes: Array(bytes)) { addresses.insert(own) }
        }
        return addresses
    }
}
