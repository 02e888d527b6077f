import CNetfilter
import Services
import Wire

/// IPv4 or IPv6: one table of services each, with the same sets and chains.
///
/// A rule's registers: `client | service | transport | port | target | targetPort`, addresses in 1 or 4 of them, ports and
/// protocols in 1. So the keys of all sets are contiguous without a copy: services by `service...port`, slots by
/// `service...target` (a slot's number stands where its target then comes), affinity by `client...port`.
struct ServiceFamily: Hashable, Sendable {
    let isIPv4: Bool

    static let both = [ServiceFamily(isIPv4: true), ServiceFamily(isIPv4: false)]

    var table: TableID { TableID(family: UInt8(isIPv4 ? NFPROTO_IPV4 : NFPROTO_IPV6), name: TableID.own.name) }
    var addressBytes: Int { isIPv4 ? 4 : 16 }
    /// The address of no host; services at all of this node's addresses are kept under it.
    var anyAddress: IPAddress { isIPv4 ? .v4(.any) : .v6(.any) }

    private var words: UInt32 { isIPv4 ? 1 : 4 }
    var client: UInt32 { 0 }
    var service: UInt32 { words }
    var transport: UInt32 { 2 * words }
    var port: UInt32 { 2 * words + 1 }
    var target: UInt32 { 2 * words + 2 }
    var targetPort: UInt32 { 3 * words + 2 }

    // MARK: phrases

    func source(into register: UInt32) -> ServiceStep {
        .network(offset: isIPv4 ? 12 : 8, count: UInt32(addressBytes), into: register)
    }

    func destination(into register: UInt32) -> ServiceStep {
        .network(offset: isIPv4 ? 16 : 24, count: UInt32(addressBytes), into: register)
    }

    var destinationPort: ServiceStep { .transport(offset: 2, count: 2, into: port) }

    func original(into register: UInt32) -> ServiceStep { .originalDestination(isIPv4: isIPv4, into: register) }

    /// Address, protocol and port that the packet is for; the address of no host for services at all of this node's.
    func packetKey(ofNode isOfNode: Bool) -> [ServiceStep] {
        [
            isOfNode ? .value(anyAddress.bytes, into: service) : destination(into: service),
            .transportProtocol(into: transport), destinationPort,
        ]
    }

    /// The same of the connection's first packet, before its translation.
    func originalKey(ofNode isOfNode: Bool) -> [ServiceStep] {
        [
            isOfNode ? .value(anyAddress.bytes, into: service) : original(into: service),
            .transportProtocol(into: transport), .originalPort(into: port),
        ]
    }

    /// One of this host's own addresses.
    func isLocal(source isSource: Bool) -> [ServiceStep] {
        [.addressType(ofSource: isSource, into: 0), .equals(UInt32(RTN_LOCAL).nativeBytes, 0)]
    }

    func isTransport(_ transport: TransportProtocol) -> [ServiceStep] {
        [.transportProtocol(into: 0), .equals([transport.rawValue], 0)]
    }

    var translation: ServiceStep { .translateDestination(isIPv4: isIPv4, address: target, port: targetPort) }
}
