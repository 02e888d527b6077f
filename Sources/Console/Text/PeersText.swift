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
            .init("NAME"), .init("PATH"), .init("SINCE", isNumeric: true), .init("ENDPOINT"),
            .init("RTT", isNumeric: true), .init("LOSS", isNumeric: true), .init("STANDBY"),
            .init("HANDSHAKE", isNumeric: true), .init("RECEIVED", isNumeric: true), .init("SENT", isNumeric: true),
            .init("PREFIXES"),
        ])
        for peer in peers {
            table.rows.append([
                .init(peer.kind == .client ? "\(peer.name) (client)" : peer.name), path(peer.path),
                .init(peer.pathAge.map(Units.age) ?? "-"), .init(peer.endpoint?.description ?? "-"),
                .init(peer.roundTripTime.map(Units.milliseconds) ?? "-"),
                .init(peer.lossPercent.map { "\($0) %" } ?? "-"), standby(peer.standby),
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

    private func standby(_ path: Path) -> Table.Cell {
        if case .none = path { .init("-") } else { .init(self.path(path).text) }
    }

    private func path(_ path: Path) -> Table.Cell {
        switch path {
        case .direct: .init("direct", .good)
        case .stream: .init("tls", .doubtful)
        case .relay(let name): .init("via \(name)", .doubtful)
        case .none: .init("none", .bad)
        }
    }
}
