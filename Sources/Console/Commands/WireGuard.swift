import Arguments
import ControlAPI
import JSON
import QR

extension Meshctl {
    func wireguardAdd() throws(Failure) {
        let request = Request.wireguardAdd(
            name: invocation.argument("NAME") ?? "", endpoint: invocation.text("endpoint"))
        guard let path = invocation.text("output") else {
            let client = try admit(request)
            output.show(client.json, [client.configuration] + qrLines(for: client, isWanted: output.isTerminal))
            return
        }
        let file = try SecretFile(path: path)
        let client: WireGuardClient
        do throws(Failure) {
            client = try admit(request)
            try file.write(client.configuration)
        } catch {
            file.discard()
            throw error
        }
        let name = Style.printable(client.name)
        let lines = ["\(name) is admitted; its configuration is in \(path)."] + qrLines(for: client, isWanted: false)
        output.show(["name": .string(client.name), "output": .string(path)], lines)
    }

    func wireguardList() throws(Failure) {
        let clients = try ask(.wireguardList) { if case .wireguardClients(let clients) = $0 { clients } else { nil } }
        output.show(.array(clients.map(\.json)), PeersText(style: output.style).lines(clients))
    }

    func wireguardRemove() throws(Failure) {
        let name = invocation.argument("NAME") ?? ""
        try ask(.wireguardRemove(name: name)) { if case .done = $0 { () } else { nil } }
        output.show(["removed": .string(name)], ["\(Style.printable(name)) is no longer admitted."])
    }

    private func admit(_ request: Request) throws(Failure) -> WireGuardClient {
        try ask(request) { if case .wireguardClient(let client) = $0 { client } else { nil } }
    }

    /// The code that the WireGuard apps scan.
    private func qrLines(for client: WireGuardClient, isWanted: Bool) -> [String] {
        switch invocation.text("qr") ?? "auto" {
        case "never": return []
        case "auto" where !isWanted: return []
        default: break
        }
        do throws(QRCode.TooLong) {
            return try QRCode(client.configuration).lines() + ["Scan it with a WireGuard app."]
        } catch {
            return ["The configuration is too long for a QR code (\(error.byteCount) bytes)."]
        }
    }
}
