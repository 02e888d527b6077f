import Glibc
import Lab

/// Debian's unbound on loopback.
final class Unbound {
    let port: UInt16
    private let program: Program
    private let folder: String

    /// Serves these lines of zone files as its own.
    convenience init(zones: [String: [String]]) throws {
        var text = ""
        for (zone, lines) in zones.sorted(by: { $0.key < $1.key }) {
            text += "    local-zone: \"\(zone).\" static\n"
            for line in lines { text += "    local-data: '\(line)'\n" }
        }
        try self.init(server: text, rest: "")
    }

    /// Asks a server on loopback for the names of `stub`, in mixed case, and has names of its own in unbound.test.
    convenience init(stub: String, port: UInt16) throws {
        let many = (1...150).map { "    local-data: 'many.unbound.test. 60 IN A 192.0.2.\($0)'\n" }.joined()
        try self.init(
            server: """
                    use-caps-for-id: yes
                    do-not-query-localhost: no
                    domain-insecure: "\(stub)."
                    local-zone: "unbound.test." static
                    local-data: 'host.unbound.test. 60 IN A 192.0.2.77'
                \(many)
                """,
            rest: """
                stub-zone:
                    name: "\(stub)."
                    stub-addr: 127.0.0.1@\(port)

                """)
    }

    private init(server: String, rest: String) throws {
        port = 20_000 + UInt16(getpid() % 20_000)
        folder = "/tmp/kubemesh-unbound-\(getpid())"
        try Files.makeFolder(folder)
        try Files.write(
            """
            server:
                interface: 127.0.0.1@\(port)
                username: ""
                chroot: ""
                directory: "\(folder)"
                pidfile: ""
                use-syslog: no
                do-ip6: no
                num-threads: 1
                module-config: "iterator"
            \(server)
            \(rest)
            """, to: folder + "/unbound.conf")
        program = try Program(
            ["/usr/sbin/unbound", "-d", "-v", "-c", folder + "/unbound.conf"], logPath: folder + "/log")
        try program.waitForLog("start of service")
    }

    func stop() {
        program.stop()
        _ = unsafe unlink(folder + "/log")
    }
}
