package import Wire

/// Everything that the zones of this host say, at one moment: an immutable value, cheap to copy and safe to share between
/// threads. Made by `ZoneBuilder`.
///
/// Sets of records are stored as bytes to be sent; names made from addresses are worked out when somebody asks for them.
package struct ZoneIndex: Sendable {
    /// A zone apex with what its SOA record says behind the owner's name.
    struct Zone: Sendable {
        /// In lower case.
        var name: DomainName
        /// Type, class, TTL, data.
        var authority: [UInt8]
    }

    package var settings: ZoneSettings { rules }
    let rules: ZoneSettings
    var names = BucketTable<NameSlot>()
    var addresses = BucketTable<NamedAddress>()
    /// The cluster's, then the mesh's.
    let zones: [Zone]
    /// What a SOA record of a reverse zone says.
    let reverseAuthority: [UInt8]

    /// No zone at all.
    package static let empty = ZoneIndex(rules: ZoneSettings(), zones: [], reverseAuthority: [])

    init(rules: ZoneSettings, zones: [Zone], reverseAuthority: [UInt8]) {
        self.rules = rules
        self.zones = zones
        self.reverseAuthority = reverseAuthority
    }

    /// How many names have records of their own; those made from addresses are not counted.
    package var nameCount: Int { names.count }
    package var addressCount: Int { addresses.count }

    /// The entry of a name, the one that counts if there are several.
    @inline(__always)
    func entry(_ wire: [UInt8], hash: UInt64) -> NameEntry? {
        var found: NameEntry?
        for slot in names.bucket(of: hash) where slot.tableHash == hash && slot.entry.wire == wire {
            if let other = found, other.rank >= slot.entry.rank { continue }
            found = slot.entry
        }
        return found
    }

    func entry(_ wire: [UInt8]) -> NameEntry? { entry(wire, hash: NameHash.of(wire[...])) }

    /// The zone that the name lies in, and where the zone's name begins in it.
    func zone(of wire: [UInt8]) -> (zone: Zone, start: Int)? {
        for zone in zones {
            let start = wire.count - zone.name.wire.count
            guard start >= 0, wire[start...].elementsEqual(zone.name.wire) else { continue }
            var position = 0
            while position < start { position += Int(wire[position]) + 1 }
            if position == start { return (zone, start) }
        }
        return nil
    }

    /// The namespace of the Pod or container that has this address; `nil` when there is none or it is not certain.
    package func namespace(ofClient address: IPAddress) -> String? {
        var found: String?
        for claim in addresses.claims(of: address) {
            guard let service = claim.endpointOwner else { continue }
            guard found == nil || found == service.namespace else { return nil }
            found = service.namespace
        }
        return found
    }
}

/// What names are called and how long answers may be kept.
package struct ZoneSettings: Equatable, Sendable {
    /// How names of Pods (`10-1-2-3.<namespace>.pod.<domain>`) are answered.
    package enum PodNames: Equatable, Sendable {
        case disabled
        /// With the address in the name, whether there is such a Pod or not.
        case insecure
        /// Only if an endpoint of the namespace has the address.
        case verified
    }

    package var clusterDomain = DomainName(checked: [7] + Array("cluster".utf8) + [5] + Array("local".utf8) + [0])
    package var meshDomain = DomainName(checked: [4] + Array("mesh".utf8) + [8] + Array("internal".utf8) + [0])
    /// Seconds.
    package var ttl: UInt32 = 5
    package var negativeTTL: UInt32 = 5
    package var podNames = PodNames.insecure
    /// Whether a service without ready endpoints has no name at all (CoreDNS: `ignore empty_service`).
    package var deniesEmptyServices = false
    /// Whether an endpoint without a hostname is called as its Pod (CoreDNS: `endpoint_pod_names`).
    package var usesPodNames = false
    /// Blocks whose reverse names are ours, known or not: services, Pods, the mesh. Others are asked for upstream.
    package var reversePrefixes: [IPPrefix] = []
    /// The mesh's own blocks: a node that has addresses in them is known by those alone.
    package var meshPrefixes: [IPPrefix] = []
    /// Where this server answers: the addresses of `ns.dns.<domain>`.
    package var serverAddresses: [IPAddress] = []

    package init() {}
}
