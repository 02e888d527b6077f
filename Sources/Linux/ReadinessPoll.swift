import CLinux

/// Waits for a few descriptors at once, on a thread that serves them itself.
package struct ReadinessPoll: Sendable {
    package static let limit = 64

    private let descriptors: [Int32]
    private var ready: [UInt8]

    /// The descriptors must stay open as long as this is used. Precondition: at most `limit`.
    package init(_ descriptors: [Int32]) {
        precondition(descriptors.count <= Self.limit)
        self.descriptors = descriptors
        ready = Array(repeating: 0, count: descriptors.count)
    }

    /// Waits until at least one can be read or is in error, a signal came, or `milliseconds` have passed (-1: no limit).
    package mutating func wait(milliseconds: Int32 = -1) {
        _ = unsafe linux_poll_readable(descriptors, &ready, Int32(descriptors.count), milliseconds)
    }

    /// Whether the descriptor at `index` was ready after the last wait.
    package func isReadable(_ index: Int) -> Bool { ready[index] != 0 }
}
