import SansIO

/// Waits for a pause in what happens, but not for ever: work is due a moment after the last event, and at the latest a while after
/// the first.
struct Debounce {
    static let pause: Duration = .milliseconds(50)
    static let patience: Duration = .milliseconds(500)

    private(set) var deadline: Instant?
    private var latest: Instant?

    mutating func touch(at now: Instant) {
        let latest = latest ?? now + Self.patience
        self.latest = latest
        deadline = min(now + Self.pause, latest)
    }

    /// Whether it is time; then nothing waits any more.
    mutating func takeDue(at now: Instant) -> Bool {
        guard let deadline, deadline <= now else { return false }
        (self.deadline, latest) = (nil, nil)
        return true
    }
}
