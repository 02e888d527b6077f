import SansIO
import Wire

/// Somebody on the wire who sends copies of what passes: again later, cut, changed, back to where it came from, or from
/// somewhere else.
package struct Mischief: Sendable {
    enum Way: Sendable {
        case onward
        case back
    }

    struct Copy: Sendable {
        var arrival: Fabric.Arrival
        var way: Way
        var delay: Duration
    }

    private static let latestReplay: Duration = .seconds(30)
    private static let stranger = Endpoint(.v4(IPv4Address(203, 0, 113, 66)), port: 6666)

    /// The share of datagrams that are copied.
    package var share: Double
    package private(set) var copies = 0
    private var random: SeededRandom

    package init(share: Double, seed: UInt64) {
        self.share = share
        random = SeededRandom(seed: seed)
    }

    mutating func copy(of arrival: Fabric.Arrival) -> Copy? {
        guard Double.random(in: 0..<1, using: &random) < share, !arrival.bytes.isEmpty else { return nil }
        copies += 1
        var copy = arrival
        copy.sender = nil
        let delay = Duration.nanoseconds(Int64.random(in: 0...Self.latestReplay.nanoseconds, using: &random))
        switch Int.random(in: 0..<6, using: &random) {
        case 0: break
        case 1: copy.bytes.removeLast(Int.random(in: 1...copy.bytes.count, using: &random))
        case 2:
            let bit = Int.random(in: 0..<copy.bytes.count * 8, using: &random)
            copy.bytes[bit / 8] ^= 1 << (bit % 8)
        case 3: copy.source = Self.stranger
        case 4: copy.bytes += (0..<16).map { _ in UInt8.random(in: 0...255, using: &random) }
        default: return Copy(arrival: copy, way: .back, delay: .zero)
        }
        return Copy(arrival: copy, way: .onward, delay: delay)
    }
}
