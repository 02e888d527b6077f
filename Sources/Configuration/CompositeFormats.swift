import Wire
import YAML

/// Lists and records, made of the scalar formats.
extension Format {
    static func list<Element>(of element: Format<Element>, limit: Int) -> Format where Value == [Element] {
        let expected = "a list of at most \(limit) entries, each \(element.expected)"
        return Format(
            expected, text: { "[" + $0.map(element.text).joined(separator: ", ") + "]" },
            read: { node, key, reader in
                guard case .sequence(let items) = node.content else {
                    reader.report(node, key, "expected \(expected), found \(node.found)")
                    return nil
                }
                guard items.count <= limit else {
                    reader.report(node, key, "expected \(expected), found \(items.count) entries")
                    return nil
                }
                let values = items.enumerated().compactMap { element.read($0.element, "\(key)[\($0.offset)]", &reader) }
                return values.count == items.count ? values : nil
            })
    }
}

extension Format where Value == Configuration.AdvertisedEndpoint {
    /// An address, with or without a port.
    static var advertisedEndpoint: Format {
        Format(
            "an IP address, with a port or without (192.0.2.1, 192.0.2.1:20007, \"[2001:db8::1]:20007\")",
            text: { value in
                let plain =
                    value.port.map { Endpoint(value.address, port: $0).description } ?? value.address.description
                return value.address.isIPv4 ? plain : "\"\(plain)\""
            },
            parse: { text, _ in
                if let endpoint = Endpoint(text), endpoint.port > 0 {
                    return Configuration.AdvertisedEndpoint(address: endpoint.address, port: endpoint.port)
                }
                return IPAddress(text).map { Configuration.AdvertisedEndpoint(address: $0, port: nil) }
            })
    }
}

extension Format where Value == Configuration.MTU {
    /// 1,280 is what IPv6 asks of every link (RFC 8200 §5).
    static var mtu: Format {
        let bytes = Format<Int>.integer(1280...9000)
        return Format(
            "auto or \(bytes.expected)",
            text: { value in
                switch value {
                case .automatic: "auto"
                case .bytes(let count): bytes.text(count)
                }
            },
            parse: { text, isPlain in
                if text == "auto" { return .automatic }
                guard isPlain, let count = Int(decimal: text), (1280...9000).contains(count) else { return nil }
                return .bytes(count)
            })
    }
}

extension Format where Value == Configuration.Proxy {
    static var proxy: Format {
        Format(
            "auto or off or http://[user:password@]host[:port]",
            text: { value in
                switch value {
                case .automatic: "auto"
                case .off: "off"
                case .through(let proxy): "\"\(proxy)\""
                }
            },
            parse: { text, _ in
                switch text {
                case "auto": .automatic
                case "off": .off
                default: HTTPProxy(text).map { .through($0) }
                }
            })
    }
}

extension Format where Value == String? {
    /// A host name as TLS shows it (RFC 6066 §3): at most 255 bytes, and no address.
    static var serverName: Format {
        Format(
            "off or a host name, as www.example.org", text: { $0 ?? "off" },
            parse: { text, _ in
                if text == "off" { return .some(nil) }
                guard let name = NodeName(text), IPAddress(text) == nil else { return nil }
                return name.description
            })
    }
}

extension Format where Value == String? {
    /// As `absolutePath`, or nothing.
    static func pathOrOff(limit: Int = 4095) -> Format {
        let path = Format<String>.absolutePath(limit: limit)
        return Format(
            "off or \(path.expected)", text: { $0 ?? "off" },
            read: { node, key, reader in
                if case .scalar("off", _) = node.content { return .some(nil) }
                return path.read(node, key, &reader).map { .some($0) }
            })
    }
}

extension Format where Value == Configuration.DNS.Route {
    static var nameRoute: Format {
        let domain = Format<NodeName>.nodeName
        let servers = Format<[Configuration.AdvertisedEndpoint]>.list(of: .advertisedEndpoint, limit: 8)
        return Format(
            "a domain and its servers list",
            text: { "{domain: \(domain.text($0.domain)), servers: \(servers.text($0.servers))}" },
            read: { node, key, reader in
                let fields = reader.fields(of: node, at: key, known: ["domain", "servers"])
                if case .mapping = node.content {
                    for missing in ["domain", "servers"] where fields[missing] == nil {
                        reader.report(node, "\(key).\(missing)", "missing")
                    }
                }
                let name = fields["domain"].flatMap { domain.read($0, "\(key).domain", &reader) }
                let list = fields["servers"].flatMap { servers.read($0, "\(key).servers", &reader) }
                guard let name, let list else { return nil }
                return Configuration.DNS.Route(domain: name, servers: list)
            })
    }
}

extension Format where Value == Configuration.RelayNode {
    static var relayNode: Format {
        let name = Format<NodeName>.nodeName
        let addresses = Format<[Configuration.AdvertisedEndpoint]>.list(of: .advertisedEndpoint, limit: 8)
        return Format(
            "a nodeName and its advertiseAddress list",
            text: { "{nodeName: \(name.text($0.nodeName)), advertiseAddress: \(addresses.text($0.advertiseAddress))}" },
            read: { node, key, reader in
                let fields = reader.fields(of: node, at: key, known: ["nodeName", "advertiseAddress"])
                guard let nameNode = fields["nodeName"] else {
                    if case .mapping = node.content { reader.report(node, "\(key).nodeName", "missing") }
                    return nil
                }
                let nodeName = name.read(nameNode, "\(key).nodeName", &reader)
                let endpoints = fields["advertiseAddress"].map {
                    addresses.read($0, "\(key).advertiseAddress", &reader)
                }
                guard let nodeName, let endpoints = endpoints ?? [] else { return nil }
                return Configuration.RelayNode(nodeName: nodeName, advertiseAddress: endpoints)
            })
    }
}

extension Format where Value == Configuration.ContainerPrefix {
    static var containerPrefix: Format {
        let prefix = Format<IPPrefix>.parsed("an address prefix, as 172.17.0.0/16")
        let bridge = Format<String>.interfaceName
        return Format(
            "a prefix and the bridge that its containers are behind",
            text: {
                "{prefix: \($0.prefix.isIPv4 ? prefix.text($0.prefix) : "\"\($0.prefix)\""), bridge: \($0.bridge)}"
            },
            read: { node, key, reader in
                let fields = reader.fields(of: node, at: key, known: ["prefix", "bridge"])
                if case .mapping = node.content {
                    for missing in ["prefix", "bridge"] where fields[missing] == nil {
                        reader.report(node, "\(key).\(missing)", "missing")
                    }
                }
                let prefix = fields["prefix"].flatMap { prefix.read($0, "\(key).prefix", &reader) }
                let bridge = fields["bridge"].flatMap { bridge.read($0, "\(key).bridge", &reader) }
                guard let prefix, let bridge else { return nil }
                return Configuration.ContainerPrefix(prefix: prefix, bridge: bridge)
            })
    }
}

extension Format where Value == NodeName {
    static var nodeName: Format { .parsed("a DNS name in lower case, as edge-1 or edge-1.example") }
}
