import CNetfilter
import Netlink
import SansIO
import Services
import Testing
import Wire

@testable import Netfilter

@Suite struct StaleFlowsTests {
    private let service = ServiceKey(.v4(IPv4Address(10, 96, 0, 1)), .udp, 53)
    private let node = ServiceKey(ServicePlan.NodePortKey(isIPv4: true, .udp, 30053))
    private let host: IPAddress = .v4(IPv4Address(192, 168, 50, 1))

    private func target(_ number: UInt8) -> ServiceTarget { ServiceTarget(.v4(IPv4Address(10, 244, 1, number)), 5353) }

    private func entry(_ numbers: UInt8...) -> ServiceEntry {
        var entry = ServiceEntry()
        entry.slots = numbers.map(target)
        return entry
    }

    /// A message as the kernel lists a flow; to nobody else than `destination` when it is not translated.
    private func message(
        to destination: IPAddress, _ port: UInt16, translated target: ServiceTarget?, proto: UInt8 = 17
    )
        -> [UInt8]
    {
        let message = MessageBuilder(type: Int(NFNL_SUBSYS_CTNETLINK) << 8, flags: 0)
        message.put(structure: nfgenmsg(nfgen_family: UInt8(NFPROTO_IPV4), version: 0, res_id: 0))
        let client: IPAddress = .v4(IPv4Address(10, 244, 1, 9))
        let end = target ?? ServiceTarget(destination, port)
        func put(
            _ message: borrowing MessageBuilder, _ tuple: ctattr_type, _ from: (IPAddress, UInt16),
            _ to: (IPAddress, UInt16)
        ) {
            message.nest(UInt16(tuple.rawValue)) { tuple in
                tuple.nest(UInt16(CTA_TUPLE_IP.rawValue)) { part in
                    part.put(UInt16(CTA_IP_V4_SRC.rawValue), bytes: from.0.bytes)
                    part.put(UInt16(CTA_IP_V4_DST.rawValue), bytes: to.0.bytes)
                }
                tuple.nest(UInt16(CTA_TUPLE_PROTO.rawValue)) { part in
                    part.put(UInt16(CTA_PROTO_NUM.rawValue), bytes: [proto])
                    part.put(UInt16(CTA_PROTO_SRC_PORT.rawValue), bytes: from.1.bigEndianBytes)
                    part.put(UInt16(CTA_PROTO_DST_PORT.rawValue), bytes: to.1.bigEndianBytes)
                }
            }
        }
        put(message, CTA_TUPLE_ORIG, (client, 6000), (destination, port))
        put(message, CTA_TUPLE_REPLY, (end.address, end.port), (client, 6000))
        return message.bytes
    }

    private func flow(_ bytes: [UInt8]) throws -> TrackedConnection {
        try #require(NetlinkMessage.split(bytes).first.flatMap(TrackedConnection.init(parsing:)))
    }

    private func isStale(_ stale: StaleFlows, _ bytes: [UInt8]) throws -> Bool {
        stale.contains(try flow(bytes), ownAddresses: [host])
    }

    @Test func `flows to an endpoint that is gone are stale, others not`() throws {
        var stale = StaleFlows()
        stale.note(service, from: entry(1, 2), to: entry(2, 3))
        for (number, expected) in [(UInt8(1), true), (2, false), (3, false)] {
            let bytes = message(to: service.address, 53, translated: target(number))
            #expect(try isStale(stale, bytes) == expected)
        }
        #expect(try !isStale(stale, message(to: service.address, 53, translated: target(1), proto: 6)), "TCP never")
        #expect(try !isStale(stale, message(to: service.address, 54, translated: target(1))), "another service")
    }

    @Test func `a change that takes nothing away makes no flow stale`() {
        var stale = StaleFlows()
        stale.note(service, from: entry(1), to: entry(1, 2))
        stale.note(service, from: nil, to: entry())
        stale.note(ServiceKey(service.address, .tcp, 53), from: entry(1), to: nil)
        #expect(stale.isEmpty)
    }

    @Test func `flows from before a service had endpoints are stale once it has`() throws {
        var stale = StaleFlows()
        stale.note(service, from: entry(), to: entry(1))
        stale.note(node, from: nil, to: entry(1))
        #expect(try isStale(stale, message(to: service.address, 53, translated: nil)))
        #expect(try isStale(stale, message(to: host, 30053, translated: nil)))
        let elsewhere: IPAddress = .v4(IPv4Address(8, 8, 8, 8))
        #expect(try !isStale(stale, message(to: elsewhere, 30053, translated: nil)), "passing through this node")
        #expect(try !isStale(stale, message(to: elsewhere, 30053, translated: target(7))), "somebody else's")
    }

    @Test func `of a service that is gone only our own flows are stale`() throws {
        var stale = StaleFlows()
        stale.note(service, from: entry(1), to: nil)
        #expect(try isStale(stale, message(to: service.address, 53, translated: target(1))))
        #expect(try !isStale(stale, message(to: service.address, 53, translated: target(9))))
    }

    @Test func `a flow's message cut at any length or mutated is read or passed over`() throws {
        let whole = message(to: service.address, 53, translated: target(1))
        var random = SeededRandom(seed: 5)
        var read = 0
        for round in 0..<20_000 {
            var bytes = whole
            if round < whole.count { bytes = Array(whole[..<round]) }
            if let index = bytes.indices.randomElement(using: &random) {
                bytes[index] = UInt8.random(in: 0...255, using: &random)
            }
            for message in NetlinkMessage.split(bytes) where TrackedConnection(parsing: message) != nil { read += 1 }
        }
        #expect((1..<20_000).contains(read))
    }
}
