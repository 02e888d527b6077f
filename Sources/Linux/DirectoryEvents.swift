import CLinux

/// Tells what happens to the entries of directories, as it happens (inotify).
package final class DirectoryEvents: Sendable {
    package struct Change: OptionSet, Hashable, Sendable {
        package let rawValue: UInt32

        package init(rawValue: UInt32) {
            self.rawValue = rawValue
        }

        /// An entry is there now, or has other attributes or another target.
        package static let appeared = Change(rawValue: UInt32(LINUX_ENTRY_APPEARED))
        package static let gone = Change(rawValue: UInt32(LINUX_ENTRY_GONE))
        /// Somebody writes into the file, and has it open still.
        package static let writing = Change(rawValue: UInt32(LINUX_ENTRY_WRITING))
        /// Nobody who wrote has it open any more.
        package static let written = Change(rawValue: UInt32(LINUX_ENTRY_WRITTEN))
        /// The directory itself is gone or elsewhere, and its watch has ended.
        package static let directoryGone = Change(rawValue: UInt32(LINUX_DIRECTORY_GONE))
        /// Events were lost: look at everything anew.
        package static let lost = Change(rawValue: UInt32(LINUX_EVENTS_LOST))
    }

    /// A watched directory.
    package struct Watch: Hashable, Sendable {
        fileprivate let number: Int32
    }

    package struct Event: Equatable, Sendable {
        package let watch: Watch
        package let change: Change
        /// Empty where it is about the directory itself.
        package let name: String
    }

    /// For `EventLoop.watch`; non-blocking.
    package let descriptor: FileDescriptor

    package init() throws(SystemError) {
        descriptor = FileDescriptor(owning: try SystemError.check(linux_directory_events_create(), "inotify_init"))
    }

    /// Watches a directory; one that is watched already gives the same watch.
    package func watch(_ path: String) throws(SystemError) -> Watch {
        let result = unsafe linux_watch_directory(descriptor.number, path)
        return Watch(number: try SystemError.check(result, "watch \(path)"))
    }

    package func cancel(_ watch: Watch) {
        _ = linux_unwatch_directory(descriptor.number, watch.number)
    }

    /// What has happened since the last call, some of it if it is much.
    package func read() throws(SystemError) -> [Event] {
        var result: Int32 = 0
        let capacity = Int(LINUX_DIRECTORY_EVENTS)
        let events = unsafe withUnsafeTemporaryAllocation(of: linux_directory_event.self, capacity: capacity) {
            buffer in
            unsafe result = linux_read_directory_events(descriptor.number, buffer.baseAddress!, Int32(capacity))
            return (0..<max(0, Int(result))).map { index in
                let what = unsafe Change(rawValue: buffer[index].what)
                let watch = unsafe Watch(number: buffer[index].watch)
                let name = unsafe withUnsafeBytes(of: &buffer[index].name) { bytes in
                    unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
                }
                return Event(watch: watch, change: what, name: name)
            }
        }
        try SystemError.check(result, "read directory events")
        return events
    }
}
