import CLinux
package import Wire

/// Addresses of hosts by name, as the system's resolver knows them.
package enum HostAddresses {
    private static let limit = 8

    /// Asks the resolver, which may take many seconds: not for a thread that others wait for.
    package static func lookUp(_ host: String, port: UInt16) throws(SystemError) -> [Endpoint] {
        var addresses = Array(repeating: linux_address(), count: limit)
        let count = unsafe linux_resolve(host, port, &addresses, Int32(limit))
        try SystemError.check(count, "look up \(host)")
        return addresses.prefix(Int(count)).compactMap(\.endpoint)
    }
}
