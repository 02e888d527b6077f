/// Gathers what a stream delivers in pieces and gives it out line by line. Holds at most one line over its limit.
package struct LineBuffer: Sendable {
    /// A line is longer than the limit; the stream cannot be understood any further.
    package struct Overflow: Error, Equatable, Sendable {
        package let limitBytes: Int
    }

    private let limitBytes: Int
    private var bytes: [UInt8] = []
    /// How much of `bytes` is known to hold no line end.
    private var searched = 0

    package init(limitBytes: Int) {
        self.limitBytes = limitBytes
    }

    /// Whether part of a line is waiting for its end.
    package var hasPartialLine: Bool { !bytes.isEmpty }

    package mutating func append(_ piece: some Collection<UInt8>) {
        bytes.append(contentsOf: piece)
    }

    /// The next complete line without its end, or `nil` until more arrives.
    package mutating func next() throws(Overflow) -> [UInt8]? {
        guard let end = bytes[searched...].firstIndex(of: UInt8(ascii: "\n")) else {
            searched = bytes.count
            guard bytes.count <= limitBytes else { throw Overflow(limitBytes: limitBytes) }
            return nil
        }
        guard end <= limitBytes else { throw Overflow(limitBytes: limitBytes) }
        let line = Array(bytes[..<end])
        bytes.removeFirst(end + 1)
        searched = 0
        return line
    }
}
