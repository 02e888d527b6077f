import CLinux
package import SansIO

/// The clocks of the machine, read only in the shell and handed to the core as values.
package enum SystemClock {
    /// Time since boot, including time asleep (CLOCK_BOOTTIME): after a suspend, timers are overdue, as they should be.
    package static var now: Instant { Instant(nanoseconds: linux_boot_time_nanoseconds()) }

    /// Wall time since 1970-01-01 UTC. May jump.
    package static var wallTime: WallTime {
        var seconds: Int64 = 0
        var nanoseconds: UInt32 = 0
        unsafe linux_wall_time(&seconds, &nanoseconds)
        return WallTime(seconds: seconds, nanoseconds: nanoseconds)
    }
}

/// Seconds and nanoseconds since 1970-01-01 UTC.
package struct WallTime: Hashable, Comparable, Sendable {
    package let seconds: Int64
    package let nanoseconds: UInt32

    package static func < (left: WallTime, right: WallTime) -> Bool {
        (left.seconds, left.nanoseconds) < (right.seconds, right.nanoseconds)
    }
}
