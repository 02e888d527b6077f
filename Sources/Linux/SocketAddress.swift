import CLinux
import Wire

extension linux_address {
    init(_ endpoint: Endpoint) {
        self.init(endpoint.address)
        port = endpoint.port
        scope = endpoint.scope
    }

    init(_ address: IPAddress) {
        self.init()
        switch address {
        case .v4(let address):
            family = 4
            store(address.rawValue.bigEndian, at: 0)
        case .v6(let address):
            family = 6
            store(address.high.bigEndian, at: 0)
            store(address.low.bigEndian, at: 8)
        }
    }

    /// `nil` when there is none.
    var address: IPAddress? {
        switch family {
        case 4: .v4(IPv4Address(rawValue: UInt32(bigEndian: load(at: 0))))
        case 6: .v6(IPv6Address(high: UInt64(bigEndian: load(at: 0)), low: UInt64(bigEndian: load(at: 8))))
        default: nil
        }
    }

    var endpoint: Endpoint? {
        address.map { Endpoint($0, port: port, scope: scope) }
    }

    private mutating func store<Word: FixedWidthInteger>(_ word: Word, at offset: Int) {
        unsafe withUnsafeMutableBytes(of: &bytes) {
            unsafe $0.storeBytes(of: word, toByteOffset: offset, as: Word.self)
        }
    }

    private func load<Word: FixedWidthInteger>(at offset: Int) -> Word {
        unsafe withUnsafeBytes(of: bytes) { unsafe $0.loadUnaligned(fromByteOffset: offset, as: Word.self) }
    }
}
