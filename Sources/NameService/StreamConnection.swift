import Linux
import SansIO

/// A client's TCP connection: queries come one after the other, without waiting for answers (RFC 7766 §6.2.1.1), each message
/// with its length of two bytes before it.
final class StreamConnection {
    /// Answers that a client has not taken yet; beyond, nothing more is read from it.
    private static let outputLimit = 1 << 18
    private static let pendingLimit = 128
    private static let readBytes = 1 << 14

    let socket: TCPSocket
    var lastActive: Instant
    /// Queries whose answers come later.
    var pending = 0
    private var input: [UInt8] = []
    private var output: [UInt8] = []
    private var sent = 0
    private(set) var hasEnded = false

    init(_ socket: TCPSocket, at now: Instant) {
        self.socket = socket
        lastActive = now
    }

    var hasOutput: Bool { sent < output.count }

    /// Whether the client takes its answers, so that more queries may be read.
    var isReading: Bool { !hasEnded && output.count - sent < Self.outputLimit && pending < Self.pendingLimit }

    /// Reads what is there; `false` when the connection has broken.
    func read(at now: Instant) -> Bool {
        guard isReading else { return true }
        do {
            switch try socket.descriptor.read(into: &input, limit: Self.readBytes) {
            case .bytes: lastActive = now
            case .wouldBlock: break
            case .end: hasEnded = true
            }
            return true
        } catch {
            return false
        }
    }

    /// The next whole message, if there is one.
    func nextMessage() -> [UInt8]? {
        guard isReading || hasEnded, input.count >= 2 else { return nil }
        let count = Int(input[0]) << 8 | Int(input[1])
        guard input.count >= 2 + count else { return nil }
        defer { input.removeFirst(2 + count) }
        return Array(input[2..<(2 + count)])
    }

    /// Whether nothing is to come any more.
    var isDone: Bool { hasEnded && pending == 0 && !hasOutput }

    func append(_ message: ArraySlice<UInt8>) {
        output.append(UInt8(message.count >> 8))
        output.append(UInt8(truncatingIfNeeded: message.count))
        output.append(contentsOf: message)
    }

    /// Sends what fits; `false` when the connection has broken.
    func flush(at now: Instant) -> Bool {
        while hasOutput {
            do {
                switch try socket.descriptor.send(output[sent...]) {
                case .bytes(let count):
                    sent += count
                    lastActive = now
                case .wouldBlock: return true
                case .end: return false
                }
            } catch {
                return false
            }
        }
        output.removeAll(keepingCapacity: output.capacity < 1 << 16)
        sent = 0
        return true
    }
}
