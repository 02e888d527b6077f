package import Wire

/// Whom a proxy is not used for, as the environment's `no_proxy` lists them: addresses, prefixes, and `*` for everybody,
/// separated by commas. Names are passed over: relays are known by their addresses.
package struct ProxyExceptions: Equatable, Sendable {
    private let prefixes: [IPPrefix]
    private let isEverybody: Bool

    package init(_ text: String) {
        let entries = text.split { $0 == "," || $0.isWhitespace }.map(String.init)
        isEverybody = entries.contains("*")
        prefixes = entries.compactMap { entry in
            if let prefix = IPPrefix(entry) { return prefix }
            return IPAddress(entry).flatMap { IPPrefix($0, length: $0.bitCount) }
        }
    }

    package func contains(_ address: IPAddress) -> Bool {
        isEverybody || prefixes.contains { $0.contains(address) }
    }
}
