package import JSON
package import Wire

/// What a stock WireGuard client needs to join at this node. It holds the client's private key.
package struct WireGuardClient: JSONRepresentable {
    package var name: String
    package var addresses: [IPPrefix]
    /// The client's own keys, in base64 as WireGuard writes them.
    package var privateKey: String
    package var publicKey: String
    /// Shared by the client and this node only.
    package var presharedKey: String
    /// The key of the node that the client dials.
    package var nodePublicKey: String
    /// Where the client dials it: an address or a host name, with a port.
    package var endpoint: String
    /// What the client sends through the tunnel.
    package var allowedIPs: [IPPrefix]
    package var mtuBytes: Int
    package var keepaliveSeconds: Int

    package init(
        name: String, addresses: [IPPrefix], privateKey: String, publicKey: String, presharedKey: String,
        nodePublicKey: String, endpoint: String, allowedIPs: [IPPrefix], mtuBytes: Int, keepaliveSeconds: Int = 25
    ) {
        self.name = name
        self.addresses = addresses
        self.privateKey = privateKey
        self.publicKey = publicKey
        self.presharedKey = presharedKey
        self.nodePublicKey = nodePublicKey
        self.endpoint = endpoint
        self.allowedIPs = allowedIPs
        self.mtuBytes = mtuBytes
        self.keepaliveSeconds = keepaliveSeconds
    }

    /// The file that `wg-quick` and the WireGuard apps read (wg-quick(8), "CONFIGURATION").
    package var configuration: String {
        """
        [Interface]
        PrivateKey = \(privateKey)
        Address = \(addresses.map(\.description).joined(separator: ", "))
        MTU = \(mtuBytes)

        [Peer]
        PublicKey = \(nodePublicKey)
        PresharedKey = \(presharedKey)
        Endpoint = \(endpoint)
        AllowedIPs = \(allowedIPs.map(\.description).joined(separator: ", "))
        PersistentKeepalive = \(keepaliveSeconds)

        """
    }
}

extension WireGuardClient {
    package init(json: JSONCursor) throws(JSONError) {
        name = try json.member("name").string()
        addresses = try json.parsedList("addresses", expected: "an address prefix")
        privateKey = try json.member("privateKey").string()
        publicKey = try json.member("publicKey").string()
        presharedKey = try json.member("presharedKey").string()
        nodePublicKey = try json.member("nodePublicKey").string()
        endpoint = try json.member("endpoint").string()
        allowedIPs = try json.parsedList("allowedIPs", expected: "an address prefix")
        mtuBytes = try json.member("mtuBytes").integer()
        keepaliveSeconds = try json.member("keepaliveSeconds").integer()
    }

    package var json: JSONValue {
        [
            "name": .string(name), "addresses": JSONValue(texts: addresses), "privateKey": .string(privateKey),
            "publicKey": .string(publicKey), "presharedKey": .string(presharedKey),
            "nodePublicKey": .string(nodePublicKey), "endpoint": .string(endpoint),
            "allowedIPs": JSONValue(texts: allowedIPs), "mtuBytes": .integer(Int64(mtuBytes)),
            "keepaliveSeconds": .integer(Int64(keepaliveSeconds)),
        ]
    }
}

/// A client that was admitted at this node, as `wireguard list` shows it; no keys but the public one.
package struct AdmittedClient: JSONRepresentable {
    package var name: String
    package var publicKey: String
    package var addresses: [IPPrefix]
    package var endpoint: Endpoint?
    package var sinceHandshake: Duration?
    package var receivedBytes: UInt64
    package var sentBytes: UInt64

    package init(
        name: String, publicKey: String, addresses: [IPPrefix], endpoint: Endpoint? = nil,
        sinceHandshake: Duration? = nil, receivedBytes: UInt64 = 0, sentBytes: UInt64 = 0
    ) {
        self.name = name
        self.publicKey = publicKey
        self.addresses = addresses
        self.endpoint = endpoint
        self.sinceHandshake = sinceHandshake
        self.receivedBytes = receivedBytes
        self.sentBytes = sentBytes
    }

    package init(json: JSONCursor) throws(JSONError) {
        name = try json.member("name").string()
        publicKey = try json.member("publicKey").string()
        addresses = try json.parsedList("addresses", expected: "an address prefix")
        endpoint = try json.optionalEndpoint("endpoint")
        sinceHandshake = try json.optionalSeconds("secondsSinceHandshake")
        receivedBytes = try json.member("receivedBytes").integer(UInt64.self)
        sentBytes = try json.member("sentBytes").integer(UInt64.self)
    }

    package var json: JSONValue {
        [
            "name": .string(name), "publicKey": .string(publicKey), "addresses": JSONValue(texts: addresses),
            "endpoint": endpoint.json, "secondsSinceHandshake": sinceHandshake?.seconds,
            "receivedBytes": JSONValue(count: receivedBytes), "sentBytes": JSONValue(count: sentBytes),
        ]
    }
}
