import Crypto
import Testing
import Wire

/// The bytes a vector spells, white space ignored.
func hex(_ text: String) throws -> [UInt8] {
    try #require([UInt8](hexadecimal: text.filter { !$0.isWhitespace }))
}

func key32(_ text: String) throws -> Bytes32 {
    try #require(Bytes32(hex(text)))
}

/// `count` bytes 0, 1, 2 and so on.
func counting(_ count: Int, from first: UInt8 = 0) -> [UInt8] {
    (0..<count).map { first &+ UInt8(truncatingIfNeeded: $0) }
}
