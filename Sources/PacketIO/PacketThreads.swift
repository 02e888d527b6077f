package import Datapath
package import Linux
import Relay
package import Wire

/// The two packet threads on one TUN, one UDP socket per family, and links.
///
/// ```
///   TUN ──▶ outbound thread ──▶ UDP, links   publish(tables) ──▶ both
///   TUN ◀── inbound thread  ◀── UDP, links   mailbox         ◀── both
/// ```
/// The control thread gives them tables and takes their upcalls; neither ever waits for the other. Threads start with no
/// routes and no sessions, so until the first `publish` everything that comes in is an upcall or a drop.
package final class PacketThreads: Sendable {
    /// Upcalls for the control thread.
    package var mailbox: UpcallMailbox { ports.mailbox }
    /// What was dropped on the way out and on the way in.
    package let outboundDrops = DropCounters()
    package let inboundDrops = DropCounters()

    private let ports: PacketPorts
    private let outbound: Thread
    private let inbound: Thread

    /// Starts both threads. Of several sockets of a family the one bound to a peer's local address answers it.
    package init(tun: TunDevice, sockets: [UDPSocket]) throws(SystemError) {
        let ports = try PacketPorts(tun: tun, sockets: sockets)
        self.ports = ports
        let outboundDrops = outboundDrops
        let inboundDrops = inboundDrops
        outbound = try Thread(name: "mesh-outbound") { OutboundThread(ports, drops: outboundDrops).run() }
        do {
            inbound = try Thread(name: "mesh-inbound") { InboundThread(ports, drops: inboundDrops).run() }
        } catch {
            ports.end()
            outbound.join()
            throw error
        }
    }

    /// Makes `tables` what packets are treated by. What is read from the TUN or a socket afterwards meets them.
    package func publish(_ tables: Tables) {
        ports.tables.publish(tables)
    }

    /// Sends a message of the control thread; a destination with a circuit gets the relay frame's header.
    package func send(
        _ message: [UInt8], to destination: Destination, hopLimit: UInt8? = nil
    ) throws(SystemError) {
        let datagram = (destination.circuit.map(RelayFrame.header) ?? []) + message
        if let (number, _) = destination.endpoint.link {
            guard let link = ports.links[number] else { throw .noLink(number) }
            return try link.socket.send(datagram, hopLimit: hopLimit)
        }
        guard let index = ports.socketIndex(for: destination) else { throw .noSocket(for: destination.endpoint) }
        try ports.sockets[index].send(
            datagram, to: destination.endpoint, from: destination.localAddress, hopLimit: hopLimit)
    }

    /// Sends to and receives from `Endpoint.link(number:kind:)` through `descriptor` from now on: for a link of kind `.socket` a
    /// connected UDP socket (`UDPSocket.connect`), for `.stream` one end of a
    /// `FileDescriptor.datagramPair`. It is closed with the link.
    ///
    /// When the other end of a stream's pair is closed the link is removed and `Upcall.linkClosed` tells so. What finds no room in
    /// the descriptor is dropped and counted.
    package func add(
        link number: UInt32, kind: LinkKind, descriptor: consuming FileDescriptor
    ) throws(SystemError) {
        try ports.add(LinkSocket(number, kind, descriptor))
    }

    /// Closes a link. One that there is not is left alone.
    package func remove(link number: UInt32) {
        ports.remove(link: number)
    }

    /// Hands an IP packet to this host, as if it had come from the mesh. `false` when the interface does not take it.
    @discardableResult
    package func deliver(_ packet: [UInt8]) -> Bool {
        ports.deliver(packet)
    }

    /// Stops both threads and waits for them. Once; the TUN and the sockets stay open with their owner.
    package func stop() {
        ports.end()
        outbound.join()
        inbound.join()
    }
}
