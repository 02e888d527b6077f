import CNetfilter
import Glibc
import Netlink
import Services
import Wire

/// A connection that the kernel tracks: its first packet's addresses and ports, and those that answers have.
struct TrackedConnection: Hashable, Sendable {
    let family: UInt8
    let source: IPAddress
    let destination: IPAddress
    let answerSource: IPAddress
    let answerDestination: IPAddress
    /// `nil` for protocols without ports.
    let transport: TransportProtocol?
    /// 0 for protocols without ports.
    let destinationPort: UInt16
    let answerPort: UInt16
    /// It carries data or may: not a TCP connection that is being closed.
    let isOpen: Bool
    /// What identifies it to the kernel: the first packet's tuple, and a number.
    private let tuple: [UInt8]
    private let id: [UInt8]?
    private let zone: [UInt8]?

    /// One direction: addresses, protocol, ports.
    private struct Tuple {
        var source: IPAddress?
        var destination: IPAddress?
        var protocolNumber: UInt8?
        var sourcePort: UInt16 = 0
        var destinationPort: UInt16 = 0

        init(parsing tuple: AttributeCursor) {
            var parts = tuple
            while let part = parts.next() {
                var fields = part.nested
                switch UInt32(part.type) {
                case CTA_TUPLE_IP.rawValue:
                    while let field = fields.next() {
                        switch UInt32(field.type) {
                        case CTA_IP_V4_SRC.rawValue, CTA_IP_V6_SRC.rawValue: source = field.address
                        case CTA_IP_V4_DST.rawValue, CTA_IP_V6_DST.rawValue: destination = field.address
                        default: break
                        }
                    }
                case CTA_TUPLE_PROTO.rawValue:
                    while let field = fields.next() {
                        switch UInt32(field.type) {
                        case CTA_PROTO_NUM.rawValue: protocolNumber = field.bigEndian(UInt8.self)
                        case CTA_PROTO_SRC_PORT.rawValue: sourcePort = field.bigEndian(UInt16.self) ?? 0
                        case CTA_PROTO_DST_PORT.rawValue: destinationPort = field.bigEndian(UInt16.self) ?? 0
                        default: break
                        }
                    }
                default: break
                }
            }
        }
    }

    /// Reads `IPCTNL_MSG_CT_NEW`; `nil` for other messages and families.
    init?(parsing message: NetlinkMessage) {
        guard message.type >> 8 == Int(NFNL_SUBSYS_CTNETLINK), let header = message.structure(nfgenmsg.self) else {
            return nil
        }
        var first: AttributeCursor.Attribute?
        var answer: AttributeCursor.Attribute?
        var (id, zone): ([UInt8]?, [UInt8]?)
        var isOpen = true
        var attributes = message.cursor(after: nfgenmsg.self)
        while let attribute = attributes.next() {
            switch UInt32(attribute.type) {
            case CTA_TUPLE_ORIG.rawValue: first = attribute
            case CTA_TUPLE_REPLY.rawValue: answer = attribute
            case CTA_ID.rawValue: id = Array(attribute.payload)
            case CTA_ZONE.rawValue: zone = Array(attribute.payload)
            case CTA_PROTOINFO.rawValue:
                let tcp = attribute.nested.first(UInt16(CTA_PROTOINFO_TCP.rawValue))
                let state = tcp?.nested.first(UInt16(CTA_PROTOINFO_TCP_STATE.rawValue))?.bigEndian(UInt8.self)
                if let state { isOpen = UInt32(state) <= TCP_CONNTRACK_ESTABLISHED.rawValue }
            default: break
            }
        }
        guard let first, let answer else { return nil }
        let (sent, answered) = (Tuple(parsing: first.nested), Tuple(parsing: answer.nested))
        guard let source = sent.source, let destination = sent.destination, let answerSource = answered.source,
            let answerDestination = answered.destination
        else { return nil }
        family = header.nfgen_family
        self.source = source
        self.destination = destination
        self.answerSource = answerSource
        self.answerDestination = answerDestination
        transport = sent.protocolNumber.flatMap(TransportProtocol.init(rawValue:))
        destinationPort = sent.destinationPort
        answerPort = answered.sourcePort
        self.isOpen = isOpen
        tuple = Array(first.payload)
        self.id = id
        self.zone = zone
    }

    fileprivate var deletion: MessageBuilder {
        let message = MessageBuilder(connections: IPCTNL_MSG_CT_DELETE, family: family, flags: NLM_F_ACK)
        message.put(UInt16(CTA_TUPLE_ORIG.rawValue) | UInt16(NLA_F_NESTED), bytes: tuple)
        if let id { message.put(UInt16(CTA_ID.rawValue), bytes: id) }
        if let zone { message.put(UInt16(CTA_ZONE.rawValue), bytes: zone) }
        return message
    }
}

extension MessageBuilder {
    fileprivate init(connections type: cntl_msg_types, family: UInt8, flags: Int32) {
        self.init(type: Int(NFNL_SUBSYS_CTNETLINK) << 8 | Int(type.rawValue), flags: NLM_F_REQUEST | flags)
        put(structure: nfgenmsg(nfgen_family: family, version: UInt8(NFNETLINK_V0), res_id: 0))
    }

    /// Lets the kernel choose the connections whose first packet was for this service.
    ///
    /// Source: Linux, `ctnetlink_parse_filter`; a bit for each field to compare, in the order of its `CTA_FILTER_F_*`.
    fileprivate func put(filter key: ServiceKey) {
        let (address, protocolNumber, port): (UInt32, UInt32, UInt32) = (1 << 1, 1 << 3, 1 << 5)
        nest(UInt16(CTA_TUPLE_ORIG.rawValue)) { tuple in
            tuple.nest(UInt16(CTA_TUPLE_IP.rawValue)) { addresses in
                let type = key.address.isIPv4 ? CTA_IP_V4_DST : CTA_IP_V6_DST
                if !key.isOfNode { addresses.put(UInt16(type.rawValue), bytes: key.address.bytes) }
            }
            tuple.nest(UInt16(CTA_TUPLE_PROTO.rawValue)) { ports in
                ports.put(UInt16(CTA_PROTO_NUM.rawValue), bytes: [key.transport.rawValue])
                ports.put(UInt16(CTA_PROTO_DST_PORT.rawValue), bytes: key.port.bigEndianBytes)
            }
        }
        nest(UInt16(CTA_FILTER.rawValue)) { filter in
            filter.put(UInt16(CTA_FILTER_ORIG_FLAGS.rawValue), (key.isOfNode ? 0 : address) | protocolNumber | port)
            filter.put(UInt16(CTA_FILTER_REPLY_FLAGS.rawValue), 0)
        }
    }
}

extension RuleSocket {
    /// Calls `body` with every tracked connection, or only with those to some services, where the kernel can choose.
    mutating func forEachConnection(
        to services: [ServiceKey]? = nil, _ body: (TrackedConnection) -> Void
    ) throws(RuleError) {
        func read(_ message: NetlinkMessage) {
            if let connection = TrackedConnection(parsing: message) { body(connection) }
        }
        for service in services ?? [] {
            let family = service.family.table.family
            let message = MessageBuilder(connections: IPCTNL_MSG_CT_GET, family: family, flags: NLM_F_DUMP)
            message.put(filter: service)
            do {
                try dump(message, reading: "the tracked connections", read)
            } catch {
                // Linux before 5.8 cannot choose.
                guard case .netlink(let cause) = error, [EOPNOTSUPP, EINVAL].contains(cause.code) else { throw error }
                return try forEachConnection(body)
            }
        }
        guard services == nil else { return }
        let message = MessageBuilder(connections: IPCTNL_MSG_CT_GET, family: UInt8(AF_UNSPEC), flags: NLM_F_DUMP)
        try dump(message, reading: "the tracked connections", read)
    }

    /// Whether it was still there.
    mutating func forget(_ connection: TrackedConnection) throws(RuleError) -> Bool {
        try request(connection.deletion, reading: "a tracked connection") != nil
    }
}
