import CNetfilter
import Services
import Wire

/// Elements of one set as they go to the kernel, in blocks that each fit into one message.
///
/// An element is `NFTA_LIST_ELEM { KEY { VALUE }, [KEY_END { VALUE }], [DATA { VALUE } or { VERDICT { CODE, CHAIN } }] }`.
/// A load has hundreds of thousands, so they are written straight into their block.
struct ElementList: Sendable {
    /// The attribute around a block holds 65,535 bytes; the table's and the set's names stand beside it.
    private static let blockBytes = 60_000

    private(set) var blocks: [[UInt8]] = []

    var isEmpty: Bool { blocks.isEmpty }

    /// An element without a value, or whose value does not matter because it is deleted.
    mutating func append(key: [UInt8], keyEnd: [UInt8]? = nil, endsInterval: Bool = false) {
        let count = key.count + 8 + (keyEnd.map { $0.count + 8 } ?? 0) + (endsInterval ? 8 : 0)
        withBlock(for: count + 4) { block in
            block.appendHeader(NFTA_LIST_ELEM.rawValue, nested: count)
            block.appendValue(NFTA_SET_ELEM_KEY.rawValue, key)
            if let keyEnd { block.appendValue(NFTA_SET_ELEM_KEY_END.rawValue, keyEnd) }
            if endsInterval {
                block.appendHeader(NFTA_SET_ELEM_FLAGS.rawValue, count: 4)
                block.append(contentsOf: NFT_SET_ELEM_INTERVAL_END.rawValue.bigEndianBytes)
            }
        }
    }

    mutating func append(key: [UInt8], value: [UInt8]) {
        let count = key.count + value.count + 16
        withBlock(for: count + 4) { block in
            block.appendHeader(NFTA_LIST_ELEM.rawValue, nested: count)
            block.appendValue(NFTA_SET_ELEM_KEY.rawValue, key)
            block.appendValue(NFTA_SET_ELEM_DATA.rawValue, value)
        }
    }

    /// An element of a map to verdicts.
    mutating func append(key: [UInt8], chain: String) {
        let name = Array(chain.utf8) + [0]
        let padding = (4 - name.count % 4) % 4
        let verdict = 8 + 4 + name.count + padding
        let count = key.count + 8 + verdict + 8
        withBlock(for: count + 4) { block in
            block.appendHeader(NFTA_LIST_ELEM.rawValue, nested: count)
            block.appendValue(NFTA_SET_ELEM_KEY.rawValue, key)
            block.appendHeader(NFTA_SET_ELEM_DATA.rawValue, nested: verdict + 4)
            block.appendHeader(NFTA_DATA_VERDICT.rawValue, nested: verdict)
            block.appendHeader(NFTA_VERDICT_CODE.rawValue, count: 4)
            block.append(contentsOf: UInt32(bitPattern: NFT_GOTO.rawValue).bigEndianBytes)
            block.appendHeader(NFTA_VERDICT_CHAIN.rawValue, count: name.count)
            block.append(contentsOf: name)
            block.append(contentsOf: repeatElement(0, count: padding))
        }
    }

    private mutating func withBlock(for count: Int, _ body: (inout [UInt8]) -> Void) {
        if blocks.last.map({ $0.count + count > Self.blockBytes }) ?? true { blocks.append([]) }
        body(&blocks[blocks.count - 1])
    }
}

extension [UInt8] {
    /// An attribute's length with its header, and its type, both in the machine's order.
    fileprivate mutating func appendHeader(_ type: UInt32, count: Int) {
        appendNative(UInt16(count + 4))
        appendNative(UInt16(type))
    }

    fileprivate mutating func appendHeader(_ type: UInt32, nested count: Int) {
        appendNative(UInt16(count + 4))
        appendNative(UInt16(type) | UInt16(NLA_F_NESTED))
    }

    /// `type { VALUE }`; values are whole registers, so nothing is padded.
    fileprivate mutating func appendValue(_ type: UInt32, _ value: [UInt8]) {
        appendHeader(type, nested: value.count + 4)
        appendHeader(NFTA_DATA_VALUE.rawValue, count: value.count)
        append(contentsOf: value)
    }

    private mutating func appendNative(_ value: UInt16) {
        unsafe Swift.withUnsafeBytes(of: value) { unsafe append(contentsOf: $0) }
    }
}

// MARK: keys

extension [UInt8] {
    mutating func append(_ address: IPAddress) {
        switch address {
        case .v4(let address): appendBigEndian(address.rawValue)
        case .v6(let address):
            appendBigEndian(address.high)
            appendBigEndian(address.low)
        }
    }

    /// Protocol and port, each in a register of its own.
    mutating func append(_ transport: TransportProtocol, _ port: UInt16) {
        append(transport.rawValue)
        append(contentsOf: [0, 0, 0])
        append(port: port)
    }

    mutating func append(port: UInt16) {
        append(UInt8(port >> 8))
        append(UInt8(truncatingIfNeeded: port))
        append(0)
        append(0)
    }

    private mutating func appendBigEndian(_ value: some FixedWidthInteger) {
        unsafe Swift.withUnsafeBytes(of: value.bigEndian) { unsafe append(contentsOf: $0) }
    }
}

extension ServiceKey {
    /// `address . protocol . port`, with room for what follows it in longer keys.
    var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(48)
        bytes.append(address)
        bytes.append(transport, port)
        return bytes
    }

    var portBytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(port: port)
        return bytes
    }

    /// `protocol . port`.
    var nodePortBytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(transport, port)
        return bytes
    }
}

extension ServiceTarget {
    /// `address . port`.
    var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(20)
        bytes.append(address)
        bytes.append(port: port)
        return bytes
    }
}
