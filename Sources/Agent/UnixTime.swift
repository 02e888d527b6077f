import Linux

extension SystemClock {
    /// The wall clock's time since 1970.
    static var unixTime: Duration {
        let wall = wallTime
        return .seconds(wall.seconds) + .nanoseconds(Int64(wall.nanoseconds))
    }
}
