import Glibc
import Services
import Synchronization
import Wire

/// A server in a namespace that tells who it is and whom it sees: "e1 10.244.1.9". By TCP it then echoes.
final class Responder: Sendable {
    /// Kept by the thread, too, which may outlive the responder by a moment.
    private final class Switch: Sendable {
        let isOff = Atomic<Bool>(false)
    }

    private let power = Switch()

    /// Listens on all addresses of both families.
    init(_ name: String, in namespace: Namespace, ports: [UInt16]) throws {
        let sockets = try namespace.perform {
            try ports.flatMap { port in
                try [SOCK_STREAM, SOCK_DGRAM].map { kind in
                    let descriptor = socket(AF_INET6, Int32(kind.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
                    var yes: Int32 = 1
                    unsafe setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
                    guard SocketAddress(.v6(.any), port: port).bind(descriptor) == 0 else {
                        throw Program.Failure(command: "bind \(port)", status: errno, output: "")
                    }
                    if kind == SOCK_STREAM { listen(descriptor, 128) }
                    return (descriptor, kind == SOCK_STREAM)
                }
            }
        }
        let power = power
        Self.detach { Self.serve(name, sockets, until: { power.isOff.load(ordering: .relaxed) }) }
    }

    deinit {
        power.isOff.store(true, ordering: .relaxed)
    }

    static func detach(_ body: @escaping @Sendable () -> Void) {
        let box = unsafe Unmanaged.passRetained(body as AnyObject)
        var thread = pthread_t()
        unsafe pthread_create(
            &thread, nil,
            { pointer in
                guard let pointer = unsafe pointer else { return nil }
                let body = unsafe Unmanaged<AnyObject>.fromOpaque(pointer).takeRetainedValue()
                (body as? @Sendable () -> Void)?()
                return nil
            }, box.toOpaque())
        pthread_detach(thread)
    }

    private static func serve(
        _ name: String, _ sockets: [(descriptor: Int32, isStream: Bool)], until stops: () -> Bool
    ) {
        var connections: [Int32] = []
        while !stops() {
            let all = sockets.map(\.descriptor) + connections
            var waiting = all.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            guard unsafe poll(&waiting, nfds_t(waiting.count), 50) > 0 else { continue }
            for (index, item) in waiting.enumerated() where item.revents != 0 {
                if index >= sockets.count {
                    if !echo(on: item.fd) { connections.removeAll { $0 == item.fd } }
                } else if sockets[index].isStream {
                    guard let (accepted, sender) = SocketAddress.accept(on: item.fd) else { continue }
                    let text = Array("\(name) \(seen(sender))".utf8)
                    _ = unsafe write(accepted, text, text.count)
                    connections.append(accepted)
                } else if let (_, sender) = SocketAddress.receive(from: item.fd) {
                    _ = sender.send("\(name) \(seen(sender))", by: item.fd)
                }
            }
        }
        for descriptor in sockets.map(\.descriptor) + connections { close(descriptor) }
    }

    private static func seen(_ sender: SocketAddress) -> String { sender.address.map { "\($0.unmapped)" } ?? "?" }

    private static func echo(on descriptor: Int32) -> Bool {
        var bytes = [UInt8](repeating: 0, count: 512)
        let count = unsafe read(descriptor, &bytes, bytes.count)
        guard count > 0, unsafe write(descriptor, bytes, count) == count else {
            close(descriptor)
            return false
        }
        return true
    }
}

/// What a client got.
enum Reply: Hashable, Sendable {
    case text(String)
    case refused
    case timedOut
    case failed(Int32)

    /// The first word of the text: who answered.
    var server: String? {
        if case .text(let text) = self { text.split(separator: " ").first.map(String.init) } else { nil }
    }

    /// The second: whom they saw.
    var client: String? {
        if case .text(let text) = self { text.split(separator: " ").last.map(String.init) } else { nil }
    }
}

extension Namespace {
    /// Connects or sends, each time from a new port unless one is given, and returns what came.
    func ask(
        _ address: String, _ port: UInt16, by transport: TransportProtocol = .tcp, times: Int = 1,
        from sourcePort: UInt16 = 0, within milliseconds: Int32 = 1000
    ) throws -> [Reply] {
        guard let target = IPAddress(address) else {
            throw Program.Failure(command: "ask", status: EINVAL, output: address)
        }
        return try perform {
            (0..<times).map { _ in Question.ask(target, port, transport, sourcePort, milliseconds) }
        }
    }
}

/// A socket for one question, or for several of one flow.
final class Question {
    private(set) var descriptor: Int32

    /// Takes over an open socket.
    init(_ descriptor: Int32) {
        self.descriptor = descriptor
    }

    /// Opens a socket in the thread's namespace.
    init(_ target: IPAddress, _ transport: TransportProtocol, from port: UInt16 = 0) {
        let kind = transport == .tcp ? SOCK_STREAM : SOCK_DGRAM
        let flags = Int32(kind.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        descriptor = socket(target.isIPv4 ? AF_INET : AF_INET6, flags, 0)
        guard port > 0 else { return }
        let any: IPAddress = target.isIPv4 ? .v4(.any) : .v6(.any)
        _ = SocketAddress(any, port: port).bind(descriptor)
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// The open socket, which lasts longer than this value.
    func release() -> Int32 {
        defer { descriptor = -1 }
        return descriptor
    }

    static func ask(
        _ target: IPAddress, _ port: UInt16, _ transport: TransportProtocol, _ sourcePort: UInt16, _ milliseconds: Int32
    ) -> Reply {
        let question = Question(target, transport, from: sourcePort)
        if SocketAddress(target, port: port).connect(question.descriptor) != 0, errno != EINPROGRESS {
            return failure(errno)
        }
        return question.say(transport == .tcp ? nil : "x", within: milliseconds)
    }

    /// Sends, and waits for what comes back.
    func say(_ text: String?, within milliseconds: Int32) -> Reply {
        if let text {
            let bytes = Array(text.utf8)
            // EPERM: the host's own packet was refused at its output, and the reason is in the socket's error.
            if unsafe write(descriptor, bytes, bytes.count) < 0, errno != EPERM { return Self.failure(errno) }
        }
        guard isReadable(descriptor, within: milliseconds) else { return .timedOut }
        var bytes = [UInt8](repeating: 0, count: 512)
        let count = unsafe read(descriptor, &bytes, bytes.count)
        return count >= 0 ? .text(String(decoding: bytes[..<count], as: UTF8.self)) : Self.failure(errno)
    }

    private static func failure(_ code: Int32) -> Reply { code == ECONNREFUSED ? .refused : .failed(code) }
}
