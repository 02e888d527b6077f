import Linux
import SansIO
import TLS
import Wire

/// One TLS stream: a TCP connection on one side, on the other a message socket to the packet threads.
///
/// ```
///   network ── TCP ──▶ TLS ──▶ FrameReader ──▶ inside ──▶ packet threads
///   network ◀─ TCP ◀── TLS ◀── OutgoingQueue ◀─ inside ◀── packet threads
/// ```
/// What the packet threads send is always taken, so that they never wait; when TCP is slower, the oldest is dropped. At most one
/// record is sealed ahead of what TCP takes.
final class Stream {
    enum Phase {
        case connecting
        case asking(ProxyConversation)
        case securing
        /// Secured; a stream that we accepted waits for its first datagram.
        case quiet
        case carrying
    }

    /// Buffers that all streams of a thread use in turn.
    final class Workspace {
        fileprivate var message = [UInt8](repeating: 0, count: StreamFrame.datagramLimit + 1)
        fileprivate var received = [UInt8](repeating: 0, count: readBytes)
        fileprivate var plain = [UInt8](repeating: 0, count: TLSSession.recordLimit)
    }

    /// Turns that one side has at a time, so that no stream starves the others.
    private static let budget = 4
    private static let messagesPerTurn = 64
    private static let readBytes = 65_536

    let id: UInt64
    /// Whom the stream leads to, or comes from, as the network has it; behind a proxy still the relay.
    let remote: Endpoint
    let isAccepted: Bool
    let socket: TCPSocket
    private(set) var phase: Phase
    /// Ours of the two ends; the packet threads have the other one.
    private(set) var inside: MessageSocket?
    var link: UInt32?
    /// The control thread has heard an authentic message along it.
    var isProven = false
    private(set) var lastSentAt: Instant
    private let session: TLSSession
    private let counters: StreamCounters
    private let proxy: String?
    private var reader = FrameReader()
    private var queue = OutgoingQueue()
    private var output: [UInt8] = []
    private var outputStart = 0
    private let workspace: Workspace

    /// A stream that another host opened.
    init(
        id: UInt64, accepted socket: TCPSocket, session: TLSSession, counters: StreamCounters, workspace: Workspace,
        at now: Instant
    ) {
        self.id = id
        self.workspace = workspace
        self.socket = socket
        self.session = session
        self.counters = counters
        remote = socket.remote
        isAccepted = true
        proxy = nil
        phase = .securing
        lastSentAt = now
    }

    /// A stream of ours to `remote`; `socket` leads there, or to the proxy.
    init(
        id: UInt64, link: UInt32, to remote: Endpoint, over socket: TCPSocket, proxy: String?, session: TLSSession,
        counters: StreamCounters, workspace: Workspace, at now: Instant
    ) {
        self.id = id
        self.workspace = workspace
        self.link = link
        self.remote = remote
        self.socket = socket
        self.proxy = proxy
        self.session = session
        self.counters = counters
        isAccepted = false
        phase = .connecting
        lastSentAt = now
    }

    var isCarrying: Bool {
        if case .carrying = phase { true } else { false }
    }

    /// Secured, and no datagram came yet.
    var isQuiet: Bool {
        if case .quiet = phase { true } else { false }
    }

    /// What to wait for on the TCP socket.
    var interest: EventLoop.Readiness {
        if case .connecting = phase { return .writable }
        return outputStart < output.count ? [.readable, .writable] : .readable
    }

    // MARK: entry points

    /// The TCP socket is ready for something.
    func socketReady(_ readiness: EventLoop.Readiness, request: ProxyConversation?, at now: Instant) throws(StreamEnd) {
        if case .connecting = phase { try connected(request) }
        if !readiness.isDisjoint(with: [.readable, .closed]) { try readSocket() }
        try flush(at: now)
    }

    /// The packet threads sent something.
    func insideReady(at now: Instant) throws(StreamEnd) {
        guard let inside else { return }
        for _ in 0..<Self.messagesPerTurn {
            let transfer: FileDescriptor.Transfer
            do { transfer = try inside.receive(into: &workspace.message) } catch { throw .broken(error) }
            guard case .bytes(let count) = transfer else {
                if transfer == .end { throw .asked }
                break
            }
            guard count <= StreamFrame.datagramLimit else {
                counters.add(.outgoingDropped)
                continue
            }
            let dropped = queue.append(workspace.message[..<count], at: now)
            if dropped > 0 { counters.add(.outgoingDropped, dropped) }
        }
        try flush(at: now)
    }

    /// Whether the stream is secured, and if it was accepted its first datagram is there: it wants to be joined.
    func isReadyToJoin() throws(StreamEnd) -> Bool {
        guard case .quiet = phase else { return false }
        guard isAccepted else { return true }
        var copy = reader
        do {
            guard let first = try copy.next() else { return false }
            guard Self.isPlausible(first) else { throw StreamEnd.malformed }
            return true
        } catch {
            throw .malformed
        }
    }

    /// Serves `inside` from now on, whose other end the packet threads get.
    func join(_ inside: MessageSocket, at now: Instant) throws(StreamEnd) {
        self.inside = inside
        phase = .carrying
        try deliver()
        try readPlain()
        try flush(at: now)
    }

    /// Something has to pass now and then, or NATs and proxies on the way forget the connection.
    func sendSignOfLife(at now: Instant) throws(StreamEnd) {
        guard isCarrying, queue.isEmpty, outputStart == output.count else { return }
        do { try session.write(StreamFrame.signOfLife) } catch { throw .tls(error) }
        try flush(at: now)
    }

    /// Ends in good order, as far as that takes no waiting.
    func close(at now: Instant) {
        session.close()
        output += session.takeOutput()
        try? flush(at: now)  // The stream ends either way.
    }

    /// Hands datagrams that came to the packet threads.
    private func deliver() throws(StreamEnd) {
        guard let inside else { return }
        while let datagram = try nextDatagram() {
            guard Self.isPlausible(datagram) else { throw .malformed }
            let transfer: FileDescriptor.Transfer
            do { transfer = try inside.send(datagram) } catch { throw .broken(error) }
            switch transfer {
            case .bytes: counters.add(.datagramsReceived)
            case .wouldBlock: counters.add(.incomingDropped)
            case .end: throw .asked
            }
        }
    }

    private func nextDatagram() throws(StreamEnd) -> ArraySlice<UInt8>? {
        do { return try reader.next() } catch { throw .malformed }
    }

    /// Whether these may be bytes of a tunnel (types 1–4, with three zero bytes) or of a relay frame.
    static func isPlausible(_ datagram: ArraySlice<UInt8>) -> Bool {
        guard datagram.count >= 4, let first = datagram.first else { return false }
        if first == UInt8(ascii: "K") { return true }
        return (1...4).contains(first) && datagram.dropFirst().prefix(3).allSatisfy { $0 == 0 }
    }

    // MARK: from the network

    private func connected(_ request: ProxyConversation?) throws(StreamEnd) {
        do { try socket.checkConnected() } catch { throw .broken(error) }
        if let request {
            output += request.request
            phase = .asking(request)
        } else {
            phase = .securing
            try secure()
        }
    }

    private func readSocket() throws(StreamEnd) {
        for _ in 0..<Self.budget {
            let transfer: FileDescriptor.Transfer
            do {
                transfer = try socket.descriptor.read(toStartOf: &workspace.received)
            } catch {
                throw .broken(error)
            }
            switch transfer {
            case .wouldBlock: return
            case .end: throw .closedByPeer
            case .bytes(let count):
                try take(workspace.received[..<count])
                if count < Self.readBytes { return }
            }
        }
    }

    private func take(_ bytes: ArraySlice<UInt8>) throws(StreamEnd) {
        var bytes = bytes
        if case .asking(var conversation) = phase {
            guard let rest = try answer(of: &conversation, bytes) else {
                phase = .asking(conversation)
                return
            }
            phase = .securing
            try secure()
            bytes = rest
        }
        guard !bytes.isEmpty else { return }
        session.receive(bytes)
        if case .securing = phase { try secure() }
        guard session.isEstablished else { return }
        try readPlain()
    }

    private func answer(
        of conversation: inout ProxyConversation, _ bytes: ArraySlice<UInt8>
    ) throws(StreamEnd) -> ArraySlice<UInt8>? {
        let name = proxy ?? ""
        do {
            return try conversation.receive(bytes)
        } catch {
            switch error {
            case .refused(let status): throw .proxyRefused(proxy: name, status: status)
            case .malformed: throw .proxyMalformed(proxy: name)
            }
        }
    }

    private func secure() throws(StreamEnd) {
        do { try session.advance() } catch { throw .tls(error) }
        output += session.takeOutput()
        if session.isEstablished { phase = .quiet }
    }

    private func readPlain() throws(StreamEnd) {
        while true {
            let count: Int
            do { count = try session.read(toStartOf: &workspace.plain) } catch { throw .tls(error) }
            guard count > 0 else { break }
            reader.append(workspace.plain[..<count])
            try deliver()
            if inside == nil, reader.waitingBytes > StreamFrame.datagramLimit { return }
        }
        if session.hasEnded { throw .closedByPeer }
    }

    // MARK: to the network

    /// Sends what there is, as far as TCP takes it.
    private func flush(at now: Instant) throws(StreamEnd) {
        while true {
            if outputStart == output.count {
                guard try seal(at: now) else { return }
            }
            let transfer: FileDescriptor.Transfer
            do { transfer = try socket.descriptor.send(output[outputStart...]) } catch { throw .broken(error) }
            switch transfer {
            case .wouldBlock: return
            case .end: throw .closedByPeer
            case .bytes(let count):
                outputStart += count
                lastSentAt = now
            }
        }
    }

    /// Makes the next bytes for TCP; `false` when there are none.
    private func seal(at now: Instant) throws(StreamEnd) -> Bool {
        outputStart = 0
        output.removeAll(keepingCapacity: true)
        if isCarrying, !queue.isEmpty {
            let (frames, sent, dropped) = queue.take(limit: TLSSession.recordLimit, at: now)
            counters.add(.datagramsSent, sent)
            counters.add(.outgoingDropped, dropped)
            if !frames.isEmpty {
                do { try session.write(frames) } catch { throw .tls(error) }
            }
        }
        // Also what TLS itself has to say.
        output += session.takeOutput()
        return !output.isEmpty
    }
}
