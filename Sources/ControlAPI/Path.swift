package import JSON

/// How packets reach a peer.
package enum Path: Equatable, Sendable {
    case direct
    /// To the peer itself, inside a TLS stream, for UDP does not get through.
    case stream
    /// Through a common member, which cannot read what it carries.
    case relay(via: String)
    case none
}

extension Path: JSONRepresentable {
    package init(json: JSONCursor) throws(JSONError) {
        let kind = try json.member("kind")
        switch try kind.string() {
        case "direct": self = .direct
        case "stream": self = .stream
        case "relay": self = .relay(via: try json.member("via").string())
        case "none": self = .none
        case let other: throw kind.invalid("direct, stream, relay or none", found: other)
        }
    }

    package var json: JSONValue {
        switch self {
        case .direct: ["kind": "direct"]
        case .stream: ["kind": "stream"]
        case .relay(let name): ["kind": "relay", "via": .string(name)]
        case .none: ["kind": "none"]
        }
    }
}
