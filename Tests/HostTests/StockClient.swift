import Crypto
import Lab
import Wire

/// Debian's wireguard-go on a host of the lab, set up from what `meshctl wireguard add` has printed, as wg-quick would.
///
/// It is always wireguard-go, also where the kernel knows WireGuard and wg-quick would take that.
final class StockClient {
    let host: Host
    /// What a user would put into /etc/wireguard.
    var configuration: String

    /// Admits a client at `node`; `bringUp` starts its tunnel.
    ///
    /// - Parameter endpoint: where the client dials the node, if not where the node says.
    init(_ name: String, on host: Host, admittedAt node: MeshNode, dialling endpoint: Endpoint? = nil) throws(LabError)
    {
        self.host = host
        let file = "/run/\(name).conf"
        let dialled = endpoint.map { ["--endpoint", "\($0)"] } ?? []
        try Command(node.host.entry + ["meshctl", "wireguard", "add", name, "--output", file] + dialled).run()
        guard let configuration = Files.text(of: node.host.path(of: file)) else {
            throw LabError.unexpected("meshctl wireguard add wrote no \(file)")
        }
        self.configuration = configuration
    }

    /// The values of a line of the configuration.
    func values(of key: String) -> [String] {
        let lines = configuration.split(separator: "\n").filter { $0.hasPrefix("\(key) = ") }
        return lines.flatMap { $0.dropFirst(key.count + 3).split(separator: ",") }.map { $0.filter { $0 != " " } }
    }

    /// The public key of the node.
    var nodeKey: Bytes32? { [UInt8](base64: values(of: "PublicKey").joined()).flatMap { Bytes32($0) } }

    /// The client's own public key.
    var ownKey: Bytes32? {
        guard let secret = [UInt8](base64: values(of: "PrivateKey").joined()) else { return nil }
        return try? AgreementKey(secret: Secret(secret)).publicKey
    }

    /// Starts wireguard-go with the configuration.
    func bringUp() throws(LabError) {
        try host.run("mkdir", "-p", "/etc/wireguard")
        try Files.write(configuration, to: host.path(of: "/etc/wireguard/wg0.conf"))
        let addresses = values(of: "Address").map { "ip address add \($0) dev wg0" }
        let routes = values(of: "AllowedIPs").map { "ip route add \($0) dev wg0" }
        try host.shell(
            """
            wireguard-go wg0
            wg-quick strip wg0 >/run/wg0.stripped
            wg setconf wg0 /run/wg0.stripped
            \(addresses.joined(separator: "\n"))
            ip link set wg0 mtu \(values(of: "MTU").joined()) up
            \(routes.joined(separator: "\n"))
            """)
    }

    func takeDown() throws(LabError) { try host.run("ip", "link", "delete", "wg0") }

    /// Sets properties of the node, in the words of wg(8).
    func setNode(_ properties: String) throws(LabError) {
        try host.shell("wg set wg0 peer '\(values(of: "PublicKey").joined())' \(properties)")
    }

    /// Loses all sessions, and where the node is: the client cannot begin one again, only the node can.
    func forgetNode() throws(LabError) {
        try setNode("remove")
        try host.shell("echo '\(values(of: "PresharedKey").joined())' >/run/preshared-key")
        try setNode(
            "preshared-key /run/preshared-key allowed-ips \(values(of: "AllowedIPs").joined(separator: ","))")
    }

    /// When the present session began, in seconds of the wall clock; 0 before the first.
    func latestHandshake() throws(LabError) -> Int {
        let line = try host.run("wg", "show", "wg0", "latest-handshakes")
        return line.split { $0 == "\t" || $0 == "\n" }.last.flatMap { Int($0) } ?? 0
    }

    /// Waits for a session, for as long as several attempts at a handshake take.
    func waitForSession(within limit: Duration = .seconds(40)) throws(LabError) {
        try wait(for: "a session of wireguard-go on \(host.label)", within: limit) { () throws(LabError) in
            try latestHandshake() > 0
        }
    }

    /// The address that the mesh gave to the client.
    func address() throws(LabError) -> IPAddress {
        guard let address = values(of: "Address").compactMap({ IPPrefix($0)?.address }).first(where: \.isIPv4) else {
            throw LabError.unexpected("no address in \(configuration)")
        }
        return address
    }

    func processID() throws(LabError) -> Int32 {
        let text = try host.shell("pgrep --exact --ns $$ --nslist net wireguard-go")
        guard let pid = Int32(text.filter { $0 != "\n" }) else {
            throw LabError.unexpected("not one wireguard-go on \(host.label): \(text)")
        }
        return pid
    }
}
