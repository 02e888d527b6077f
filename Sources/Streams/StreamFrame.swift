/// Datagrams in a stream of bytes: each behind the count of its bytes (2, big-endian). A count of zero is a sign of life.
///
/// Longer ones than `datagramLimit` are never made; a count above it tells that the other side speaks something else.
package enum StreamFrame {
    /// The largest inner packet (9,000 bytes) with its padding and the headers of tunnel and relay.
    package static let datagramLimit = 9216
    static let headerSize = 2
    static let signOfLife: [UInt8] = [0, 0]

    /// Precondition: the datagram has 1 to `datagramLimit` bytes.
    static func append(_ datagram: ArraySlice<UInt8>, to bytes: inout [UInt8]) {
        precondition((1...datagramLimit).contains(datagram.count))
        bytes.append(UInt8(datagram.count >> 8))
        bytes.append(UInt8(truncatingIfNeeded: datagram.count))
        bytes.append(contentsOf: datagram)
    }
}

/// Cuts what a stream brings into datagrams, however it arrives.
struct FrameReader {
    /// The other side speaks something else.
    struct Malformed: Error {}

    private var buffer: [UInt8] = []
    private var start = 0

    /// Bytes that wait for the rest of their datagram: less than one frame, once `next` has returned `nil`.
    var waitingBytes: Int { buffer.count - start }

    mutating func append(_ bytes: ArraySlice<UInt8>) {
        if start > 0 {
            buffer.removeFirst(start)
            start = 0
        }
        buffer.append(contentsOf: bytes)
    }

    /// The next whole datagram; `nil` until more has come.
    mutating func next() throws(Malformed) -> ArraySlice<UInt8>? {
        while waitingBytes >= StreamFrame.headerSize {
            let count = Int(buffer[start]) << 8 | Int(buffer[start + 1])
            guard count <= StreamFrame.datagramLimit else { throw Malformed() }
            let begin = start + StreamFrame.headerSize
            guard buffer.count - begin >= count else { return nil }
            start = begin + count
            if count > 0 { return buffer[begin..<start] }
        }
        return nil
    }
}
