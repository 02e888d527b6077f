import Datapath
import Mesh
import Wire

// Sockets beside the node's own: for finding out about NATs, and to be a stranger for somebody else.
extension Simulation {
    /// Sends from a port that nobody has sent to.
    func dialBack(_ bytes: [UInt8], to target: Endpoint, from host: Host) {
        emit(bytes, to: Destination(target), from: host, port: freePort(of: host))
    }

    func openProbes(_ sockets: [Node.ProbeSocket], on host: Host) {
        var ports: [Int: UInt16] = [:]
        for socket in sockets {
            let port = freePort(of: host)
            host.probes[port] = socket.number
            ports[socket.number] = port
        }
        host.node.probesOpened(sockets, at: ports, at: now)
    }

    func probe(_ bytes: [UInt8], from number: Int, to target: Endpoint, on host: Host) {
        guard let port = host.probes.first(where: { $0.value == number })?.key else { return }
        emit(bytes, to: Destination(target), from: host, port: port)
    }

    func closeProbes(_ numbers: [Int], on host: Host) {
        host.probes = host.probes.filter { !numbers.contains($0.value) }
    }

    /// One of those that Linux gives to sockets that ask for none.
    private func freePort(of host: Host) -> UInt16 {
        var port: UInt16
        repeat { port = UInt16.random(in: 32_768...60_999, using: &random) } while host.probes[port] != nil
        return port
    }
}
