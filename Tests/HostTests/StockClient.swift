import Lab
import Wire

/// Debian's wireguard-go on a host of the lab, set up by wg-quick as a user would.
final class StockClient {
    let host: Host

    /// Admits a client at `node`, hands its configuration to `host`, and brings the tunnel up.
    ///
    /// - Parameter endpoint: where the client dials the node, if not where the node says.
    init(_ name: String, on host: Host, admittedAt node: MeshNode, dialling endpoint: Endpoint? = nil) throws {
        self.host = host
        let file = "/run/\(name).conf"
        let dialled = endpoint.map { ["--endpoint", "\($0)"] } ?? []
        try Command(node.host.entry + ["meshctl", "wireguard", "add", name, "--output", file] + dialled).run()
        guard let configuration = Files.text(of: node.host.path(of: file)) else {
            throw LabError.unexpected("meshctl wireguard add wrote no \(file)")
        }
        try host.run("mkdir", "-p", "/etc/wireguard")
        try Files.write(configuration, to: host.path(of: "/etc/wireguard/wg0.conf"))
        try bringUp()
    }

    func bringUp() throws {
        try host.run("env", "WG_QUICK_USERSPACE_IMPLEMENTATION=wireguard-go", "wg-quick", "up", "wg0")
    }

    func takeDown() throws { try host.run("wg-quick", "down", "wg0") }

    /// When the present session began, in seconds of the wall clock; 0 before the first.
    func latestHandshake() throws -> Int {
        let line = try host.run("wg", "show", "wg0", "latest-handshakes")
        return line.split { $0 == "\t" || $0 == "\n" }.last.flatMap { Int($0) } ?? 0
    }

    /// The address that the mesh gave to the client.
    func address() throws -> IPAddress {
        let line = try host.run("ip", "-brief", "-4", "address", "show", "dev", "wg0")
        let word = line.split { $0 == " " || $0 == "/" || $0 == "\n" }.first { $0.contains(".") }
        guard let address = word.flatMap({ IPAddress($0) }) else {
            throw LabError.unexpected("wg0 has no address: \(line)")
        }
        return address
    }
}
