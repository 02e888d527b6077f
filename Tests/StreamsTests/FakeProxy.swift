import Glibc
import Linux
import SansIO
import Synchronization
import Wire

/// A proxy that connects whoever knows the password to whatever is asked for, one after another.
final class FakeProxy: Sendable {
    let endpoint: Endpoint
    private let listener: TCPListener
    private let credentials: String
    private let ending: WakeUp
    private let state = Mutex<(requests: [String], thread: Thread?)>(([], nil))

    /// - Parameter credentials: what has to stand behind "Basic".
    init(credentials: String) throws {
        self.credentials = credentials
        listener = try TCPListener(Endpoint("127.0.0.1:0")!)
        ending = try WakeUp()
        endpoint = listener.endpoint
        let thread = try Thread(name: "proxy") { [listener, ending, credentials, weak self] in
            while true {
                guard Self.wait(ending, or: [listener.descriptor.number]) else { return }
                guard let socket = try? listener.accept() else { continue }
                try? Self.serve(socket, credentials, ending) { request in
                    self?.state.withLock { $0.requests.append(request) }
                }
            }
        }
        state.withLock { $0.thread = thread }
    }

    deinit {
        ending.signal()
        state.withLock { $0.thread }?.join()
    }

    var requests: [String] { state.withLock { $0.requests } }

    private static func serve(
        _ socket: TCPSocket, _ credentials: String, _ ending: WakeUp, _ note: (String) -> Void
    ) throws {
        var request: [UInt8] = []
        while request.suffix(4) != [13, 10, 13, 10] {
            guard wait(ending, or: [socket.descriptor.number]),
                try socket.descriptor.read(into: &request, limit: 1000) != .end
            else { return }
        }
        let text = String(decoding: request, as: UTF8.self)
        note(text)
        guard text.contains("Proxy-Authorization: Basic \(credentials)\r\n") else {
            _ = try socket.descriptor.send(Array("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n".utf8)[...])
            return
        }
        guard let target = Endpoint(text.split(separator: " ")[1]) else { return }
        let far = try TCPSocket.connect(to: target)
        _ = try socket.descriptor.send(Array("HTTP/1.1 200 Connection established\r\n\r\n".utf8)[...])
        while true {
            guard wait(ending, or: [socket.descriptor.number, far.descriptor.number]), try pass(socket, far),
                try pass(far, socket)
            else { return }
        }
    }

    /// Waits until one of these is readable; `false` when it is time to end.
    private static func wait(_ ending: WakeUp, or descriptors: [Int32]) -> Bool {
        var all = (descriptors + [ending.descriptor.number]).map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        _ = unsafe poll(&all, nfds_t(all.count), -1)
        return all[descriptors.count].revents == 0
    }

    /// What little the tests send always finds room.
    private static func pass(_ from: TCPSocket, _ to: TCPSocket) throws -> Bool {
        var bytes: [UInt8] = []
        let transfer = try from.descriptor.read(into: &bytes, limit: 65_536)
        if !bytes.isEmpty { _ = try to.descriptor.send(bytes[...]) }
        return transfer != .end
    }
}
