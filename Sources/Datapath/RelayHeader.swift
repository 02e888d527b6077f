import Relay

/// `RelayFrame` in place, for the packet path.
enum RelayHeader {
    /// Magic, data kind and the two zero bytes.
    private static let word = UInt32(RelayFrame.magic) << 24 | UInt32(RelayFrame.dataKind) << 16

    static func write(to datagram: PacketBytes, circuit: UInt64) {
        datagram.set(word, at: 0)
        datagram.set(circuit, at: 4)
    }

    static func isData(_ datagram: PacketBytes) -> Bool {
        datagram.count >= RelayFrame.headerSize && datagram.uint32(at: 0) == word
    }

    static func circuit(of datagram: PacketBytes) -> UInt64 { datagram.uint64(at: 4) }

    static func setCircuit(_ circuit: UInt64, of datagram: PacketBytes) { datagram.set(circuit, at: 4) }
}
