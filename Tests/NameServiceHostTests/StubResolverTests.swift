import CLinux
import Glibc
import Lab
import Linux
import NameService
import Synchronization
import Testing
import Wire

/// The C library's resolver and busybox's, with a resolv.conf as a Pod has it.
@Suite(.serialized, .enabled(if: Requirement.isMet, "\(Requirement.reason)"))
struct StubResolverTests {
    /// A network namespace with a resolv.conf of its own, deleted when the value ends.
    private final class Site: Sendable {
        let name = "kmdns\(getpid())"

        init() throws {
            try Command(["ip", "netns", "add", name]).run()
            try run(["ip", "link", "set", "lo", "up"])
            try run(["ip", "address", "add", "169.254.96.16/32", "dev", "lo"])
            // Without an address of a family programs do not ask for it.
            try run(["ip", "address", "add", "fd96::1/128", "dev", "lo", "nodad"])
            try Files.makeFolder("/etc/netns/\(name)")
            try Files.write(
                """
                nameserver 169.254.96.16
                search ns1.svc.cluster.local svc.cluster.local cluster.local
                options ndots:5

                """, to: "/etc/netns/\(name)/resolv.conf")
        }

        deinit {
            _ = unsafe unlink("/etc/netns/\(name)/resolv.conf")
            _ = unsafe rmdir("/etc/netns/\(name)")
            // A test must not fail because cleaning up did: what remains bears our process's number.
            _ = try? Command(["ip", "netns", "del", name]).run()
        }

        @discardableResult
        func run(_ command: [String]) throws -> String {
            try Command(["ip", "netns", "exec", name] + command).run()
        }

        /// Runs `body` on a thread whose sockets are the namespace's.
        func perform(_ body: @escaping @Sendable () throws -> Void) throws {
            let failure = Mutex<(any Error)?>(nil)
            let path = "/run/netns/\(name)"
            try Thread(name: "in namespace") {
                do {
                    let namespace = try FileDescriptor.open(path, flags: O_RDONLY)
                    guard linux_enter_network_namespace(namespace.number) == 0 else {
                        throw SystemError("enter \(path)", code: errno)
                    }
                    try body()
                } catch {
                    failure.withLock { $0 = error }
                }
            }.join()
            if let error = failure.withLock({ $0 }) { throw error }
        }
    }

    @Test func `programs find services, nodes and their addresses' names by the system's own resolver`() throws {
        let site = try Site()
        try site.perform {
            let zone = try ServedZone(at: Endpoint(.v4(IPv4Address(169, 254, 96, 16)), port: 53))
            defer { zone.server.stop() }
            func address(_ name: String) throws -> Substring? {
                try site.run(["getent", "ahosts", name]).split(whereSeparator: \.isWhitespace).first
            }
            #expect(try address("s4.ns1.svc.cluster.local") == "10.96.0.4")
            #expect(try address("s4.ns1") == "10.96.0.4")
            #expect(try address("s4") == "10.96.0.4", "first in the search path")
            #expect(try address("s7") == "10.96.0.4", "an alias")
            #expect(try address("alpha.mesh.internal") == "10.128.0.7")
            #expect(try site.run(["getent", "hosts", "10.96.0.4"]).contains("s4.ns1.svc.cluster.local"))
            #expect(try site.run(["getent", "ahostsv6", "s1"]).hasPrefix("fd00::1 "))
            #expect(throws: LabError.self) { try address("none.ns1") }
            let busybox = try site.run(["busybox", "nslookup", "alpha.mesh.internal"])
            #expect(busybox.contains("10.128.0.7"))
        }
    }
}
