/// Cuts control frames that are too long for one packet, and puts one peer's pieces together again.
///
/// At most one frame is being assembled at a time: a piece of another one drops what was there. A frame that lost a piece is
/// lost; its sender repeats what matters.
package struct FrameAssembler: Sendable {
    /// Pieces of one frame; bounds the memory per peer to 16 × `ControlFrame.sizeLimit`.
    package static let pieceLimit = 16
    private static let pieceSize = ControlFrame.sizeLimit - 9

    private var message: UInt32 = 0
    private var pieces: [[UInt8]?] = []
    private var nextMessage: UInt32 = 0

    package init() {}

    /// The packets that carry `frame`: the frame itself when it is short enough, else its fragments; none when it is longer
    /// than the limit allows.
    package mutating func split(_ frame: [UInt8]) -> [[UInt8]] {
        guard frame.count > ControlFrame.sizeLimit else { return [frame] }
        let count = (frame.count + Self.pieceSize - 1) / Self.pieceSize
        guard count <= Self.pieceLimit else { return [] }
        nextMessage &+= 1
        return (0..<count).map { index in
            let piece = frame[(index * Self.pieceSize)..<min((index + 1) * Self.pieceSize, frame.count)]
            return ControlFrame.fragment(
                .init(message: nextMessage, index: UInt8(index), count: UInt8(count), bytes: Array(piece))
            ).encoded
        }
    }

    /// The whole frame, once its last missing piece is here.
    package mutating func assemble(_ fragment: ControlFrame.Fragment) -> [UInt8]? {
        guard Int(fragment.count) <= Self.pieceLimit, fragment.bytes.count <= Self.pieceSize else { return nil }
        if fragment.message != message || pieces.count != Int(fragment.count) {
            message = fragment.message
            pieces = Array(repeating: nil, count: Int(fragment.count))
        }
        pieces[Int(fragment.index)] = fragment.bytes
        guard pieces.allSatisfy({ $0 != nil }) else { return nil }
        defer { pieces = [] }
        return pieces.flatMap { $0 ?? [] }
    }
}
