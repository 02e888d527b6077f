package import JSON
package import Wire

/// What stands between this host and other nodes, where it may be reached, and how far relays are.
package struct Netcheck: JSONRepresentable {
    /// IPv4 first.
    package var families: [Family]
    package var candidates: [Candidate]
    /// The nearest first.
    package var relays: [Relay]
    /// Strangers reach this node; those on a network of its own do.
    package var isReachable: Bool
    package var isReachableLocally: Bool
    /// How long it took to find out.
    package var duration: Duration
    /// What was not finished in time.
    package var warnings: [Notice] = []

    package init(
        families: [Family], candidates: [Candidate], relays: [Relay], isReachable: Bool, isReachableLocally: Bool,
        duration: Duration
    ) {
        self.families = families
        self.candidates = candidates
        self.relays = relays
        self.isReachable = isReachable
        self.isReachableLocally = isReachableLocally
        self.duration = duration
    }

    package init(json: JSONCursor) throws(JSONError) {
        families = try json.list("families")
        candidates = try json.list("candidates")
        relays = try json.list("relays")
        isReachable = try json.member("isReachable").boolean()
        isReachableLocally = try json.member("isReachableLocally").boolean()
        duration = try json.seconds("seconds")
        warnings = try json.list("warnings")
    }

    package var json: JSONValue {
        [
            "families": JSONValue(list: families), "candidates": JSONValue(list: candidates),
            "relays": JSONValue(list: relays), "isReachable": .boolean(isReachable),
            "isReachableLocally": .boolean(isReachableLocally), "seconds": duration.seconds,
            "warnings": JSONValue(list: warnings),
        ]
    }

    /// One family of addresses. Findings are in the words of RFC 4787; what is not known is `nil`, with the reason in `unknown`.
    package struct Family: JSONRepresentable {
        /// 4 or 6.
        package var version: Int
        /// "works", "blocked" or "untested".
        package var udp: String
        /// A name for all of it, such as "NAT3 (port-restricted cone)".
        package var kind: String
        package var outside: [IPAddress] = []
        package var mapping: String?
        package var filtering: String?
        package var hairpin: Bool?
        package var ports: Ports?
        /// A silent mapping lasts at least so long, and less than that.
        package var lifetimeAtLeast: Duration?
        package var lifetimeBelow: Duration?
        package var unknown: [Unknown] = []
        /// What follows from it, in words.
        package var meaning: [String] = []

        package init(version: Int, udp: String, kind: String) {
            self.version = version
            self.udp = udp
            self.kind = kind
        }
    }

    /// How the NAT chooses ports.
    package struct Ports: JSONRepresentable {
        /// "preserved", "sequential", "block" or "random".
        package var pattern: String
        package var stride: Int?
        /// How many ports the block has, by estimate.
        package var blockSize: Int?
        package var lowest: Int
        package var highest: Int
        package var samples: Int

        package init(
            pattern: String, stride: Int? = nil, blockSize: Int? = nil, lowest: Int, highest: Int, samples: Int
        ) {
            self.pattern = pattern
            self.stride = stride
            self.blockSize = blockSize
            self.lowest = lowest
            self.highest = highest
            self.samples = samples
        }
    }

    package struct Unknown: JSONRepresentable {
        package var finding: String
        package var reason: String

        package init(finding: String, reason: String) {
            self.finding = finding
            self.reason = reason
        }
    }

    /// An endpoint at which this node may be reached.
    package struct Candidate: JSONRepresentable {
        package var endpoint: Endpoint
        /// "advertised", "mapped", "interface", "reflexive" or "private".
        package var kind: String
        /// "confirmed", "failing", "refuted" or "untested".
        package var standing: String

        package init(endpoint: Endpoint, kind: String, standing: String) {
            self.endpoint = endpoint
            self.kind = kind
            self.standing = standing
        }
    }

    package struct Relay: JSONRepresentable {
        package var name: String
        package var roundTripTime: Duration?
        package var isConnected: Bool

        package init(name: String, roundTripTime: Duration?, isConnected: Bool) {
            self.name = name
            self.roundTripTime = roundTripTime
            self.isConnected = isConnected
        }
    }
}

extension Netcheck.Family {
    package init(json: JSONCursor) throws(JSONError) {
        version = try json.member("version").integer()
        udp = try json.member("udp").string()
        kind = try json.member("kind").string()
        outside = try json.parsedList("outside", expected: "an address")
        mapping = try json.optionalString("mapping")
        filtering = try json.optionalString("filtering")
        hairpin = try json.optionalMember("hairpin")?.boolean()
        if let member = try json.optionalMember("ports") { ports = try Netcheck.Ports(json: member) }
        lifetimeAtLeast = try json.optionalSeconds("lifetimeAtLeastSeconds")
        lifetimeBelow = try json.optionalSeconds("lifetimeBelowSeconds")
        unknown = try json.list("unknown")
        meaning = try json.texts("meaning")
    }

    package var json: JSONValue {
        [
            "version": .integer(Int64(version)), "udp": .string(udp), "kind": .string(kind),
            "outside": JSONValue(texts: outside), "mapping": mapping.json, "filtering": filtering.json,
            "hairpin": hairpin.map { .boolean($0) }, "ports": ports?.json,
            "lifetimeAtLeastSeconds": lifetimeAtLeast?.seconds, "lifetimeBelowSeconds": lifetimeBelow?.seconds,
            "unknown": JSONValue(list: unknown), "meaning": .array(meaning.map { .string($0) }),
        ]
    }
}

extension Netcheck.Ports {
    package init(json: JSONCursor) throws(JSONError) {
        pattern = try json.member("pattern").string()
        stride = try json.optionalMember("stride")?.integer()
        blockSize = try json.optionalMember("blockSize")?.integer()
        lowest = try json.member("lowest").integer()
        highest = try json.member("highest").integer()
        samples = try json.member("samples").integer()
    }

    package var json: JSONValue {
        [
            "pattern": .string(pattern), "stride": stride.map { .integer(Int64($0)) },
            "blockSize": blockSize.map { .integer(Int64($0)) }, "lowest": .integer(Int64(lowest)),
            "highest": .integer(Int64(highest)), "samples": .integer(Int64(samples)),
        ]
    }
}

extension Netcheck.Unknown {
    package init(json: JSONCursor) throws(JSONError) {
        finding = try json.member("finding").string()
        reason = try json.member("reason").string()
    }

    package var json: JSONValue { ["finding": .string(finding), "reason": .string(reason)] }
}

extension Netcheck.Candidate {
    package init(json: JSONCursor) throws(JSONError) {
        endpoint = try json.member("endpoint").parsed(Endpoint.self, expected: "an address and port")
        kind = try json.member("kind").string()
        standing = try json.member("standing").string()
    }

    package var json: JSONValue {
        ["endpoint": .string(endpoint.description), "kind": .string(kind), "standing": .string(standing)]
    }
}

extension Netcheck.Relay {
    package init(json: JSONCursor) throws(JSONError) {
        name = try json.member("name").string()
        roundTripTime = try json.optionalMilliseconds("rttMilliseconds")
        isConnected = try json.member("isConnected").boolean()
    }

    package var json: JSONValue {
        [
            "name": .string(name), "rttMilliseconds": roundTripTime?.milliseconds,
            "isConnected": .boolean(isConnected),
        ]
    }
}
