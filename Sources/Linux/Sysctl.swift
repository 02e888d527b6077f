import Glibc

/// A kernel setting under /proc/sys, of the network namespace of whoever reads or writes it.
package struct Sysctl: Hashable, Sendable, CustomStringConvertible {
    /// A written setting and what it was before, to put it back.
    package struct Change: Hashable, Sendable {
        package let setting: Sysctl
        package let previous: String
        package let current: String

        package init(setting: Sysctl, previous: String, current: String) {
            self.setting = setting
            self.previous = previous
            self.current = current
        }
    }

    /// Path components under /proc/sys. An interface's name may hold dots, so the dotted form is not used.
    private let components: [String]

    package init(_ components: String...) {
        self.init(components)
    }

    package init(_ components: [String]) {
        self.components = components
    }

    package var path: String { "/proc/sys/" + components.joined(separator: "/") }
    package var description: String { components.joined(separator: "/") }

    package static let ipv4Forwarding = Sysctl("net", "ipv4", "ip_forward")
    package static let ipv6Forwarding = Sysctl("net", "ipv6", "conf", "all", "forwarding")

    package static func reversePathFilter(of interface: String) -> Sysctl {
        Sysctl("net", "ipv4", "conf", interface, "rp_filter")
    }

    package static func acceptRouterAdvertisements(of interface: String) -> Sysctl {
        Sysctl("net", "ipv6", "conf", interface, "accept_ra")
    }

    /// The value without its final newline.
    package func read() throws(SystemError) -> String {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw SystemError("read \(path)", code: errno) }
        defer { close(descriptor) }
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = unsafe Glibc.read(descriptor, &buffer, buffer.count)
        guard count >= 0 else { throw SystemError("read \(path)", code: errno) }
        let newline = UInt8(ascii: "\n")
        return String(decoding: buffer[..<count].prefix { $0 != newline }, as: UTF8.self)
    }

    /// Sets the value; `nil` when it was so already, else what to hand to `restore`.
    package func write(_ value: String) throws(SystemError) -> Change? {
        let previous = try read()
        guard previous != value else { return nil }
        let descriptor = unsafe open(path, O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw SystemError("write \(path)", code: errno) }
        defer { close(descriptor) }
        let bytes = Array(value.utf8)
        guard unsafe Glibc.write(descriptor, bytes, bytes.count) == bytes.count else {
            throw SystemError("write \(value) to \(path)", code: errno)
        }
        return Change(setting: self, previous: previous, current: value)
    }

    /// Puts back the previous value, unless somebody has set another since or the setting is gone with its interface.
    package static func restore(_ change: Change) throws(SystemError) {
        guard try change.setting.readIfPresent() == change.current else { return }
        _ = try change.setting.write(change.previous)
    }
}

extension Sysctl {
    /// Makes the host forward packets, IPv4 and IPv6, and lets it keep what it learns from routers.
    ///
    /// With IPv6 forwarding on, the kernel heeds router advertisements only where `accept_ra` is 2 (ip-sysctl.rst), and a host
    /// that got its address or default route by them would lose it; so interfaces at 1 are set to 2 first.
    /// Returns what was changed, in order; undo in the opposite order with `restore`.
    package static func enableForwarding(interfaces: [String]) throws(SystemError) -> [Change] {
        var changes: [Change] = []
        do {
            try set(ipv4Forwarding, to: "1", recordingIn: &changes)
            guard try ipv6Forwarding.readIfPresent() == "0" else { return changes }
            for interface in interfaces + ["default"] {
                let setting = acceptRouterAdvertisements(of: interface)
                guard try setting.readIfPresent() == "1" else { continue }
                try set(setting, to: "2", recordingIn: &changes)
            }
            try set(ipv6Forwarding, to: "1", recordingIn: &changes)
        } catch {
            for change in changes.reversed() { try restore(change) }
            throw error
        }
        return changes
    }

    private static func set(
        _ setting: Sysctl, to value: String, recordingIn changes: inout [Change]
    ) throws(SystemError) {
        if let change = try setting.write(value) { changes.append(change) }
    }

    /// `nil` on a kernel without IPv6, and for an interface that went away.
    private func readIfPresent() throws(SystemError) -> String? {
        do {
            return try read()
        } catch {
            guard error.code == ENOENT else { throw error }
            return nil
        }
    }
}
