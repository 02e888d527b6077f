import CNetfilter
import Wire

/// A rule as we write it.
struct Rule: Hashable, Sendable {
    let table: TableID
    let chain: String
    let expressions: [Expression]
    /// Shown by `nft list`, and by `iptables -S` as a comment match.
    let comment: String?

    init(_ table: TableID, _ chain: String, _ expressions: [Expression], comment: String? = nil) {
        self.table = table
        self.chain = chain
        self.expressions = expressions
        self.comment = comment
    }

    /// The user data that holds a comment: type (0), length, the text with its final zero.
    static func userData(comment: String) -> [UInt8] {
        let text = Array(comment.utf8.prefix(Int(NFTNL_UDATA_COMMENT_MAXLEN) - 1)) + [0]
        return [UInt8(NFTNL_UDATA_RULE_COMMENT.rawValue), UInt8(text.count)] + text
    }

    /// The comment in a rule's user data; `nil` without one.
    static func comment(inUserData data: [UInt8]) -> String? {
        var rest = data[...]
        while rest.count >= 2 {
            let (type, count) = (rest[rest.startIndex], Int(rest[rest.startIndex + 1]))
            rest = rest.dropFirst(2)
            guard rest.count >= count else { return nil }
            if type == UInt8(NFTNL_UDATA_RULE_COMMENT.rawValue) {
                return String(decoding: rest.prefix(count).prefix { $0 != 0 }, as: UTF8.self)
            }
            rest = rest.dropFirst(count)
        }
        return nil
    }
}

/// A named map from addresses to addresses of one family.
struct AddressMap: Hashable, Sendable {
    struct Element: Hashable, Sendable {
        let key: IPAddress
        let value: IPAddress
    }

    let name: String
    /// Its number within a transaction.
    let id: UInt32
    let isIPv4: Bool
    let elements: [Element]
}

// MARK: phrases

extension Expression {
    /// `iifname "mesh0"`: names are compared over their full, zero-filled length.
    static func isFrom(_ interface: String) -> [Expression] {
        [.inputInterface, .equals(padded(interface))]
    }

    /// `oifname "mesh0"`.
    static func isTo(_ interface: String) -> [Expression] {
        [.outputInterface, .equals(padded(interface))]
    }

    /// `ip saddr 10.130.7.0/24`, in a table for both families.
    static func has(_ direction: Direction, in prefix: IPPrefix) -> [Expression] {
        isFamily(isIPv4: prefix.isIPv4) + loadAddress(direction, isIPv4: prefix.isIPv4, count: wholeBytes(prefix))
            + isIn(prefix)
    }

    /// `ct original ip daddr 10.128.0.0/9`: the connection was made to an address of this block.
    static func wasSent(to prefix: IPPrefix) -> [Expression] {
        [.originalDestination(isIPv4: prefix.isIPv4)] + isInFull(prefix)
    }

    /// `dnat ip prefix to 172.17.0.0/24`: the host bits stay.
    static func translate(_ direction: Direction, to prefix: IPPrefix) -> [Expression] {
        [
            .load(register: UInt32(NFT_REG_1.rawValue), prefix.address.bytes),
            .load(register: UInt32(NFT_REG_2.rawValue), prefix.lastAddressBytes),
            .translate(direction, isIPv4: prefix.isIPv4, intoBlock: true),
        ]
    }

    /// `dnat ip to ip daddr map @name`.
    static func translate(_ direction: Direction, by map: AddressMap) -> [Expression] {
        isFamily(isIPv4: map.isIPv4) + loadAddress(direction, isIPv4: map.isIPv4, count: nil)
            + [.map(name: map.name, id: map.id), .translate(direction, isIPv4: map.isIPv4, intoBlock: false)]
    }

    static func isFamily(isIPv4: Bool) -> [Expression] {
        [.networkProtocol, .equals([UInt8(isIPv4 ? NFPROTO_IPV4 : NFPROTO_IPV6)])]
    }

    /// Names are 16 bytes in the kernel.
    private static func padded(_ name: String) -> [UInt8] {
        Array((Array(name.utf8) + [UInt8](repeating: 0, count: 16)).prefix(16))
    }

    /// Prefixes of whole bytes are compared over just those, as `nft` does.
    private static func wholeBytes(_ prefix: IPPrefix) -> Int? {
        prefix.length % 8 == 0 && prefix.length > 0 ? prefix.length / 8 : nil
    }

    private static func loadAddress(_ direction: Direction, isIPv4: Bool, count: Int?) -> [Expression] {
        let offset: UInt32 =
            switch (direction, isIPv4) {
            case (.source, true): 12
            case (.destination, true): 16
            case (.source, false): 8
            case (.destination, false): 24
            }
        return [.networkHeader(offset: offset, count: UInt32(count ?? (isIPv4 ? 4 : 16)))]
    }

    private static func isIn(_ prefix: IPPrefix) -> [Expression] {
        if let count = wholeBytes(prefix) { return [.equals(Array(prefix.address.bytes.prefix(count)))] }
        return isInFull(prefix)
    }

    private static func isInFull(_ prefix: IPPrefix) -> [Expression] {
        let mask: [Expression] = prefix.isSingleAddress ? [] : [.mask(prefix.maskBytes)]
        return mask + [.equals(prefix.address.bytes)]
    }
}

extension IPPrefix {
    var maskBytes: [UInt8] {
        (0..<(address.bitCount / 8)).map { index in
            let bits = min(max(length - 8 * index, 0), 8)
            return UInt8(truncatingIfNeeded: 0xff00 >> bits)
        }
    }

    var lastAddressBytes: [UInt8] {
        zip(address.bytes, maskBytes).map { $0 | ~$1 }
    }
}
