import ControlAPI
import Wire

/// What `meshctl peers` prints, and `meshctl wireguard list`.
struct PeersText {
    let style: Style

    func lines(_ peers: [Peer]) -> [String] {
        guard !peers.isEmpty else {
            return ["No peers yet. 'meshctl invite' makes a token; 'meshctl up TOKEN' on another host joins with it."]
        }
        var table = Table(columns: [
            .init("NAME"), .init("PATH"), .init("ENDPOINT"), .init("RTT", isNumeric: true),
            .init("HANDSHAKE", isNumeric: true), .init("RECEIVED", isNumeric: true), .init("SENT", isNumeric: true),
            .init("PREFIXES"),
        ])
        for peer in peers {
            table.rows.append([
                .init(peer.kind == .client ? "\(peer.name) (client)" : peer.name), path(peer.path),
                .init(peer.endpoint?.description ?? "-"), .init(peer.roundTripTime.map(Units.milliseconds) ?? "-"),
                .init(peer.sinceHandshake.map { "\(Units.age($0)) ago" } ?? "-"),
                .init(Units.bytes(peer.receivedBytes)),
                .init(Units.bytes(peer.sentBytes)), .init(peer.prefixes.map(\.description).joined(separator: ", ")),
            ])
        }
        return table.lines(style)
    }

    func lines(_ clients: [AdmittedClient]) -> [String] {
        guard !clients.isEmpty else {
            return ["No clients are admitted at this node. 'meshctl wireguard add NAME' admits one."]
        }
        var table = Table(columns: [
            .init("NAME"), .init("ADDRESSES"), .init("ENDPOINT"), .init("HANDSHAKE", isNumeric: true),
            .init("RECEIVED", isNumeric: true), .init("SENT", isNumeric: true), .init("PUBLIC KEY"),
        ])
        for client in clients {
            table.rows.append([
                .init(client.name), .init(client.addresses.map(\.description).joined(separator: ", ")),
                .init(client.endpoint?.description ?? "-"),
                .init(client.sinceHandshake.map { "\(Units.age($0)) ago" } ?? "never"),
                .init(Units.bytes(client.receivedBytes)), .init(Units.bytes(client.sentBytes)), .init(client.publicKey),
            ])
        }
        return table.lines(style)
    }

    private func path(_ path: Path) -> Table.Cell {
        switch path {
        case .direct: .init("direct", .good)
        case .relay(let name): .init("via \(name)", .doubtful)
        case .none: .init("none", .bad)
        }
    }
}
