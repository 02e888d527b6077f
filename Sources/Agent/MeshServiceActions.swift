import Configuration
import ControlAPI
import Datapath
import Linux
import Mesh
import Netfilter
import PacketIO
import SansIO
import Traversal
import Wire

// What the node asks for, carried out.
extension MeshService {
    func drain() {
        if let mapped = portMapping.takeChange() { node.setMapped(mapped, at: SystemClock.now) }
        var isRenewed = false
        var opened: [Mesh.Link] = []
        for action in node.takeActions() {
            switch action {
            case .send(let message, let destination): send(message, to: destination)
            case .dialBack(let datagram, let target):
                if !NATProbe.sendOnce(datagram, to: target) { sendFailures += 1 }
            case .openProbes(let sockets): node.probesOpened(sockets, at: probes.open(sockets), at: SystemClock.now)
            case .probe(let bytes, let number, let target):
                if !probes.send(bytes, from: number, to: target) { sendFailures += 1 }
            case .closeProbes(let numbers): probes.close(numbers)
            case .sendBriefly(let message, let destination, let hops):
                send(message, to: destination, hopLimit: hops)
            case .openSockets(let links, let target): opened += openSockets(links, to: target)
            case .publish(let tables): threads.publish(tables)
            case .save(let change): state.apply(change, identity: node.identity)
            case .openStream(let link, let remote): streams.open(link, to: remote)
            case .closeLink(let link):
                threads.remove(link: link)
                streams.close(link)
            case .proveLink(let link): streams.prove(link)
            case .event(let event):
                report(event)
                followForServices(event)
                if case .renewed = event { isRenewed = true }
            }
        }
        if !opened.isEmpty {
            for link in opened { node.linkOpened(link, at: SystemClock.now) }
            drain()
        }
        if isInReach != wasInReach {
            configureNode()
            return drain()
        }
        guard isRenewed else { return }
        // Last, for it makes actions of its own: tables of this round must not replace newer ones.
        do {
            try bringUp()
        } catch {
            log.error("the renewed certificate's addresses cannot be set", ["reason": "\(error)"])
            problems["network"] = "\(error)"
        }
    }

    /// A refusal is counted as any loss; the node's timers repeat what matters. One that is meant for good it hears of.
    private func send(_ message: [UInt8], to destination: Destination, hopLimit: UInt8? = nil) {
        do throws(SystemError) {
            try threads.send(message, to: destination, hopLimit: hopLimit)
        } catch {
            sendFailures += 1
            if error.forbidsSending { node.sendingRefused(to: destination.endpoint, at: SystemClock.now) }
        }
    }

    /// Opens a socket to `target` for each number; those that cannot be had are left out.
    private func openSockets(_ numbers: [UInt32], to target: Endpoint) -> [Mesh.Link] {
        numbers.compactMap { number in
            do throws(SystemError) {
                let any: IPAddress = target.address.isIPv4 ? .v4(.any) : .v6(.any)
                let descriptor = try UDPSocket(Endpoint(any, port: 0)).connect(to: target)
                try threads.add(link: number, kind: .socket, descriptor: descriptor)
                return Link(number: number, kind: .socket, remote: target)
            } catch {
                node.linkClosed(number, at: SystemClock.now)
                return nil
            }
        }
    }

    /// Forward policies of others that the mesh's packets do not pass.
    var forwardDrops: [Notice] {
        guard let policy = host.forwardPolicy() else { return [] }
        let drops = policy.drops.filter { !$0.isPassable }.map { drop in
            Notice(
                "\(drop.chain) drops forwarded packets of containers",
                nextStep: drop.nextStep(interface: configuration.interface))
        }
        let legacy =
            policy.legacyTables.contains("filter")
            ? [Notice("iptables-legacy is in use, whose rules KubeMesh cannot see", nextStep: "switch to iptables-nft")]
            : []
        return drops + legacy
    }

    private func report(_ event: NodeEvent) {
        if case .pong(let token, let roundTripTime, let path, let relay) = event {
            let link = node.link(of: path)
            let way: ControlAPI.Path = link?.kind == .stream ? .stream : relay.map { .relay(via: $0) } ?? .direct
            onPong(token, roundTripTime, way, link?.remote ?? path.endpoint)
            return
        }
        if case .explained(let token, let explanation) = event {
            onExplained(token, explanation)
            return
        }
        event.write(to: log) { [node] in node.link(of: $0) }
    }
}

extension SystemError {
    /// The host's firewall, or a router that said so, lets nothing through: sending again helps nobody.
    fileprivate var forbidsSending: Bool { ["EPERM", "EACCES", "EHOSTUNREACH", "ENETUNREACH"].contains(name) }
}
