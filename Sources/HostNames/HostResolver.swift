import Glibc
import Linux
package import Wire

/// How this host's own programs find names, and how they are told to ask the mesh.
///
/// Where systemd-resolved is in charge, the mesh's interface gets our server for the mesh's domains (`resolvectl`, per-domain
/// routing), and everything else goes where it went. Elsewhere our server is put first into resolv.conf (`ResolverFile`).
/// Changing either takes root; what others are asked is for everyone to read.
package struct HostResolver: Sendable {
    /// Who answers this host's programs.
    package enum Manager: Equatable, Sendable {
        case resolved
        case file
    }

    /// Servers and domains, as the host's programs are to know them.
    package struct Registration: Equatable, Sendable {
        /// Where our server answers. With systemd-resolved the addresses must be the interface's own.
        package var servers: [IPAddress]
        /// Whose names it has, such as `cluster.local`, `mesh.internal` and reverse zones.
        package var domains: [String]
        package var interface: String

        package init(servers: [IPAddress], domains: [String], interface: String) {
            self.servers = servers
            self.domains = domains
            self.interface = interface
        }
    }

    /// Runs a program to its end; throws what it said if it failed.
    package typealias Runner = @Sendable ([String]) throws(HostNamesError) -> Void

    private static let sizeLimit = 1 << 16
    private let root: String
    private let run: Runner

    /// - Parameters:
    ///   - root: what stands before every path; empty for the host itself.
    ///   - run: needed for `register` and `deregister` only.
    package init(root: String = "", run: @escaping Runner = Self.refuse) {
        self.root = root
        self.run = run
    }

    /// For those who only read.
    package static let refuse: Runner = { words throws(HostNamesError) in
        throw .commandFailed(words, "there is nobody to run it")
    }

    // MARK: what there is

    package var manager: Manager {
        let path = settledPath
        if path.utf8.starts(with: (root + "/run/systemd/resolve/").utf8) { return .resolved }
        let stubs: [IPAddress] = [.v4(IPv4Address(127, 0, 0, 53)), .v4(IPv4Address(127, 0, 0, 54))]
        let servers = (try? file(at: path))?.servers ?? []  // What cannot be read has no servers.
        return !servers.isEmpty && servers.allSatisfy { stubs.contains($0.address) } ? .resolved : .file
    }

    /// Whom the host would ask without us: to them our server passes on what it does not know.
    ///
    /// - Parameter own: our server's addresses, which may stand among the others.
    package func upstreams(except own: [IPAddress]) -> [Endpoint] {
        let path = manager == .resolved ? root + "/run/systemd/resolve/resolv.conf" : settledPath
        let servers = (try? file(at: path))?.servers ?? []  // As above.
        var endpoints: [Endpoint] = []
        for server in servers where !own.contains(server.address) {
            let scope = server.interface.map { unsafe if_nametoindex($0) } ?? 0
            guard server.interface == nil || scope != 0 else { continue }
            let endpoint = Endpoint(server.address, port: 53, scope: scope)
            if !endpoints.contains(endpoint) { endpoints.append(endpoint) }
        }
        return endpoints
    }

    package var searchDomains: [String] { (try? file(at: settledPath))?.searchDomains ?? [] }  // As above.

    // MARK: changes

    /// Makes the host's programs ask our server; returns whether a file was changed. May be repeated at any time, as after
    /// somebody has written resolv.conf anew.
    @discardableResult
    package func register(_ registration: Registration) throws(HostNamesError) -> Bool {
        guard manager == .file else {
            let interface = registration.interface
            try run(["resolvectl", "dns", interface] + registration.servers.map { "\($0)" })
            try run(["resolvectl", "domain", interface] + registration.domains.map { "~" + $0 })
            try run(["resolvectl", "default-route", interface, "no"])
            return false
        }
        let path = settledPath
        let old = try fileIfPresent(at: path)
        let new = (old ?? ResolverFile([])).with(servers: registration.servers)
        guard new != old else { return false }
        try replace(path, by: new.text)
        return true
    }

    /// Takes all of that back; returns whether a file was changed.
    @discardableResult
    package func deregister(interface: String) throws(HostNamesError) -> Bool {
        if manager == .resolved, Self.exists("\(root)/sys/class/net/\(interface)") {
            try run(["resolvectl", "revert", interface])
        }
        // The manager may have changed since.
        let path = settledPath
        guard let old = try fileIfPresent(at: path), old.hasBlock else { return false }
        let new = old.without()
        if new.text.isEmpty {
            guard unsafe unlink(path) == 0 else { throw .refused(SystemError("remove \(path)", code: errno)) }
        } else {
            try replace(path, by: new.text)
        }
        return true
    }

    // MARK: files

    /// Where /etc/resolv.conf leads to, links followed.
    private var settledPath: String {
        var path = root + "/etc/resolv.conf"
        for _ in 0..<8 {
            guard let target = Self.target(of: path) else { break }
            if target.utf8.first == UInt8(ascii: "/") {
                path = root + target
            } else {
                path = Self.joined(path, target)
            }
        }
        return path
    }

    /// The path that `target` stands for in the folder of `path`, without `..`.
    private static func joined(_ path: String, _ target: String) -> String {
        var parts = path.split { $0 == "/" }.dropLast()
        for part in target.split(whereSeparator: { $0 == "/" }) {
            if part == ".." { parts = parts.dropLast() } else if part != "." { parts.append(part) }
        }
        return "/" + parts.joined(separator: "/")
    }

    private static func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }

    private static func target(of path: String) -> String? {
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = unsafe buffer.withUnsafeMutableBytes { bytes in
            unsafe readlink(path, bytes.assumingMemoryBound(to: CChar.self).baseAddress!, bytes.count)
        }
        return count < 0 ? nil : String(decoding: buffer[..<count], as: UTF8.self)
    }

    private func fileIfPresent(at path: String) throws(HostNamesError) -> ResolverFile? {
        do throws(HostNamesError) {
            return try file(at: path)
        } catch .refused(let error) where error.code == ENOENT {
            return nil
        } catch {
            throw error
        }
    }

    private func file(at path: String) throws(HostNamesError) -> ResolverFile {
        do throws(SystemError) {
            let descriptor = try FileDescriptor.open(path, flags: O_RDONLY)
            var text: [UInt8] = []
            while text.count < Self.sizeLimit, case .bytes = try descriptor.read(into: &text, limit: 1 << 12) {}
            return ResolverFile(text)
        } catch {
            throw .refused(error)
        }
    }

    /// By another file of the same owner and rights, so that nobody reads half of it; where the file itself is mounted, as in
    /// containers, in place.
    private func replace(_ path: String, by text: [UInt8]) throws(HostNamesError) {
        let new = path + ".kubemesh"
        var status = stat()
        let isThere = unsafe stat(path, &status) == 0
        do throws(SystemError) {
            try Self.write(text, to: new, flags: O_CREAT | O_TRUNC)
            if isThere {
                guard unsafe chmod(new, status.st_mode & 0o7777) == 0,
                    unsafe chown(new, status.st_uid, status.st_gid) == 0
                else { throw SystemError("change the owner of \(new)", code: errno) }
            }
            if unsafe rename(new, path) == 0 { return }
            guard errno == EBUSY else { throw SystemError("rename \(new)", code: errno) }
            _ = unsafe unlink(new)
            try Self.write(text, to: path, flags: O_TRUNC)
        } catch {
            _ = unsafe unlink(new)
            throw .refused(error)
        }
    }

    private static func write(_ text: [UInt8], to path: String, flags: Int32) throws(SystemError) {
        let number = unsafe open(path, O_WRONLY | O_CLOEXEC | flags, 0o644)
        guard number >= 0 else { throw SystemError("write \(path)", code: errno) }
        let descriptor = FileDescriptor(owning: number)
        var rest = text[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes { unsafe Glibc.write(descriptor.number, $0.baseAddress, $0.count) }
            guard count > 0 || errno == EINTR else { throw SystemError("write \(path)", code: errno) }
            rest = rest.dropFirst(max(0, count))
        }
        guard fsync(descriptor.number) == 0 else { throw SystemError("fsync \(path)", code: errno) }
    }
}
