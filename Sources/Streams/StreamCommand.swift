import Linux
import Synchronization
package import Wire

/// What the control thread asks of the streams' thread.
package enum StreamCommand: Sendable {
    case configure(StreamSettings)
    /// Open a stream to a relay, as link `link`; `opened` or `closed` answers.
    case open(link: UInt32, to: Endpoint)
    /// An accepted stream is link `link` from now on.
    case admit(stream: UInt64, link: UInt32)
    case refuse(stream: UInt64)
    /// An authentic message came along the link: it is no stranger's.
    case prove(link: UInt32)
    case close(link: UInt32)
}

/// Commands on their way to the streams' thread, and what its helpers found.
final class CommandQueue: Sendable {
    enum Entry: Sendable {
        case command(StreamCommand)
        case resolved(HTTPProxy, Result<[Endpoint], SystemError>)
        case stop
    }

    private let entries = Mutex<[Entry]>([])
    let wakeUp: WakeUp

    init() throws(SystemError) {
        wakeUp = try WakeUp()
    }

    func post(_ entry: Entry) {
        entries.withLock { $0.append(entry) }
        wakeUp.signal()
    }

    func takeAll() -> [Entry] {
        wakeUp.clear()
        return entries.withLock { entries in
            defer { entries = [] }
            return entries
        }
    }
}
