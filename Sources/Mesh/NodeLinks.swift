import Datapath
package import SansIO
import Traversal
package import Wire

/// A channel to one remote beside the main sockets: a UDP socket of its own, or a TLS stream.
package struct Link: Equatable, Sendable {
    package let number: UInt32
    package let kind: LinkKind
    /// The address and port at the other end, as the network has them.
    package let remote: Endpoint

    /// What stands for the link in paths, circuits and tables.
    package var endpoint: Endpoint { .link(number: number, kind: kind) }

    package init(number: UInt32, kind: LinkKind, remote: Endpoint) {
        self.number = number
        self.kind = kind
        self.remote = remote
    }
}

// Links: which there are, and that their paths end with them.
extension Node {
    static let linkLimit = 8192

    package var linkCount: Int { links.count }

    /// Enters a link that another host opened towards this one; `nil` when there are too many.
    package mutating func acceptLink(_ kind: LinkKind, from remote: Endpoint, at now: Instant) -> Link? {
        guard links.count < Self.linkLimit else { return nil }
        let link = Link(number: allocateLink(), kind: kind, remote: remote)
        links[link.number] = link
        if kind == .stream {
            acceptedStreams[link.number] = AcceptedStream(since: now)
            deadlines.set(now + Self.strangerStreamTime, for: .stream(link.number))
        }
        return link
    }

    /// A link that this node asked for stands.
    package mutating func linkOpened(_ link: Link, at now: Instant) {
        links[link.number] = link
        if link.kind == .stream { streamOpened(link, at: now) }
        if link.kind == .socket { socketOpened(link, at: now) }
    }

    /// A link is gone, or could not be opened: paths along it are too.
    package mutating func linkClosed(_ number: UInt32, at now: Instant) {
        if acceptedStreams.removeValue(forKey: number) != nil { deadlines.remove(.stream(number)) }
        if streams.isAttempting(number) {
            streams.closed(number, at: now)
            reviewStreams(at: now)
        }
        guard let link = links.removeValue(forKey: number) else { return }
        let path = Path.direct(link.endpoint)
        for peer in peers.all where peer.paths.statistics(of: path) != nil || peer.paths.current == path {
            updatePaths(peer.number, at: now) { paths, _ in paths.closed(path, at: now) }
        }
    }

    /// The next number that no link has.
    mutating func allocateLink() -> UInt32 {
        repeat { lastLink &+= 1 } while links[lastLink] != nil
        return lastLink
    }
}
