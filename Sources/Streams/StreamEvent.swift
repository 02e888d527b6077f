package import Linux
import Synchronization
package import Wire

/// What the streams' thread tells the control thread.
package enum StreamEvent: Sendable {
    /// A stream that was asked for stands; its datagrams pass this outlet.
    case opened(link: UInt32, StreamOutlet)
    /// Another host opened a stream, and a datagram came: answer with `admit` or `refuse`.
    case accepted(stream: UInt64, from: Endpoint, StreamOutlet)
    /// Also when it never stood.
    case closed(link: UInt32, StreamEnd)
    case listening(port: UInt16)
    /// It is tried again from time to time.
    case notListening(Endpoint, SystemError)
}

/// The packet threads' end of a stream on its way to them; closed if nobody takes it.
package final class StreamOutlet: Sendable {
    private let descriptor: Mutex<FileDescriptor?>

    init(_ descriptor: consuming FileDescriptor) {
        self.descriptor = Mutex(descriptor)
    }

    /// The end, once.
    package func take() -> FileDescriptor? {
        descriptor.withLock { $0.take() }
    }
}

/// Events on their way to the control thread. Each stream makes two at most, so their number is bounded.
package final class StreamMailbox: Sendable {
    private let contents = Mutex<[StreamEvent]>([])
    /// Signalled while there is something to take: watch its descriptor.
    package let wakeUp: WakeUp

    init() throws(SystemError) {
        wakeUp = try WakeUp()
    }

    /// Everything that waits, oldest first.
    package func takeAll() -> [StreamEvent] {
        wakeUp.clear()
        return contents.withLock { contents in
            defer { contents = [] }
            return contents
        }
    }

    func post(_ event: StreamEvent) {
        contents.withLock { $0.append(event) }
        wakeUp.signal()
    }
}
