import CNetfilter

/// What a named set or map holds.
struct SetDefinition: Hashable, Sendable {
    /// A part of a key; parts are padded to whole registers of four bytes.
    enum Field: Hashable, Sendable {
        case address
        case transport
        case port
        case number

        /// How the nft program numbers the type; the kernel only keeps it.
        func type(isIPv4: Bool) -> UInt32 {
            switch self {
            case .address: isIPv4 ? 7 : 8
            case .transport: 12
            case .port: 13
            // A packet mark is the only type of four bytes that nft lets into a compound key.
            case .number: 19
            }
        }

        func bytes(isIPv4: Bool) -> Int { self == .address && !isIPv4 ? 16 : 4 }

        /// Without padding.
        private func ownBytes(isIPv4: Bool) -> Int {
            switch self {
            case .transport: 1
            case .port: 2
            case .address, .number: bytes(isIPv4: isIPv4)
            }
        }

        /// What the kernel keeps as the length of a key of this part alone, or of a part in an interval key.
        func length(isIPv4: Bool) -> UInt8 { UInt8(ownBytes(isIPv4: isIPv4)) }
    }

    enum Value: Hashable, Sendable {
        case verdict
        case fields([Field])
    }

    let name: String
    let key: [Field]
    let value: Value?
    let isInterval: Bool
    /// Filled by rules.
    let isDynamic: Bool
    let expires: Bool
    let limit: UInt32?

    init(
        _ name: String, _ key: [Field], to value: Value? = nil, isInterval: Bool = false, isDynamic: Bool = false,
        expires: Bool = false, limit: UInt32? = nil
    ) {
        self.name = name
        self.key = key
        self.value = value
        self.isInterval = isInterval
        self.isDynamic = isDynamic
        self.expires = expires
        self.limit = limit
    }

    func keyBytes(isIPv4: Bool) -> Int { key.reduce(0) { $0 + $1.bytes(isIPv4: isIPv4) } }

    /// The libnftnl object, to be freed by the caller. `id` is its number within a transaction.
    @unsafe
    func makeObject(in table: TableID, id: UInt32) -> OpaquePointer {
        guard let set = unsafe nftnl_set_alloc() else { preconditionFailure("out of memory") }
        let isIPv4 = table.family == UInt8(NFPROTO_IPV4)
        func put(_ attribute: some BinaryInteger, _ number: UInt32) {
            unsafe nftnl_set_set_u32(set, UInt16(attribute), number)
        }
        unsafe nftnl_set_set_str(set, UInt16(NFTNL_SET_TABLE.rawValue), table.name)
        unsafe nftnl_set_set_str(set, UInt16(NFTNL_SET_NAME.rawValue), name)
        put(NFTNL_SET_FAMILY.rawValue, UInt32(table.family))
        put(NFTNL_SET_ID.rawValue, id)
        put(NFTNL_SET_FLAGS.rawValue, flags)
        put(NFTNL_SET_KEY_TYPE.rawValue, type(of: key, isIPv4))
        put(NFTNL_SET_KEY_LEN.rawValue, UInt32(keyBytes(isIPv4: isIPv4)))
        switch value {
        case .verdict: put(NFTNL_SET_DATA_TYPE.rawValue, NFT_DATA_VERDICT.rawValue)
        case .fields(let fields):
            put(NFTNL_SET_DATA_TYPE.rawValue, type(of: fields, isIPv4))
            put(NFTNL_SET_DATA_LEN.rawValue, UInt32(fields.reduce(0) { $0 + $1.bytes(isIPv4: isIPv4) }))
        case nil: break
        }
        if let limit { put(NFTNL_SET_DESC_SIZE.rawValue, limit) }
        if isInterval, key.count > 1 {
            let lengths = key.map { $0.length(isIPv4: isIPv4) }
            unsafe nftnl_set_set_data(
                set, UInt16(NFTNL_SET_DESC_CONCAT.rawValue), lengths, UInt32(lengths.count))
        }
        return unsafe set
    }

    private var flags: UInt32 {
        var flags: UInt32 = 0
        if value != nil { flags |= NFT_SET_MAP.rawValue }
        if isInterval { flags |= NFT_SET_INTERVAL.rawValue }
        if isInterval, key.count > 1 { flags |= NFT_SET_CONCAT.rawValue }
        if isDynamic { flags |= NFT_SET_EVAL.rawValue }
        if expires { flags |= NFT_SET_TIMEOUT.rawValue }
        return flags
    }

    /// Six bits for each part, the first highest.
    private func type(of fields: [Field], _ isIPv4: Bool) -> UInt32 {
        fields.reduce(0) { $0 << 6 | $1.type(isIPv4: isIPv4) }
    }
}
