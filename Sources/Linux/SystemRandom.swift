import CLinux

/// Random bytes fit for keys, from the kernel (getrandom).
package struct SystemRandom: RandomNumberGenerator, Sendable {
    package init() {}

    /// `count` random bytes.
    package static func bytes(_ count: Int) -> [UInt8] {
        unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            unsafe fill(UnsafeMutableRawBufferPointer(buffer))
            initialized = count
        }
    }

    package mutating func next() -> UInt64 {
        var value: UInt64 = 0
        unsafe withUnsafeMutableBytes(of: &value) { unsafe Self.fill($0) }
        return value
    }

    /// The kernel refuses only before its generator is seeded in calls that will not wait; this one waits.
    private static func fill(_ buffer: UnsafeMutableRawBufferPointer) {
        let result = unsafe linux_random(buffer.baseAddress, buffer.count)
        precondition(result == 0, "getrandom failed: the system has no randomness")
    }
}
