import Linux
import Synchronization
import Wire

/// A link as the packet threads use it. Its descriptor is closed when nobody uses it any more.
final class LinkSocket: Sendable {
    let number: UInt32
    let kind: LinkKind
    let socket: ConnectedSocket

    init(_ number: UInt32, _ kind: LinkKind, _ descriptor: consuming FileDescriptor) {
        self.number = number
        self.kind = kind
        socket = ConnectedSocket(descriptor, cutsDatagrams: kind == .socket)
    }

    /// What stands for the link in tables and paths.
    var endpoint: Endpoint { .link(number: number, kind: kind) }
}

/// The links there are: added and removed by the control thread, looked up by all.
final class LinkSet: Sendable {
    static let limit = 8192

    private let links = Mutex<[UInt32: LinkSocket]>([:])

    subscript(number: UInt32) -> LinkSocket? { links.withLock { $0[number] } }

    /// `false` when there are too many, or one of that number.
    func insert(_ link: LinkSocket) -> Bool {
        links.withLock { links in
            guard links.count < Self.limit, links[link.number] == nil else { return false }
            links[link.number] = link
            return true
        }
    }

    func remove(_ number: UInt32) -> LinkSocket? { links.withLock { $0.removeValue(forKey: number) } }
}
