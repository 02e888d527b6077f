package import Wire

/// What a responder under load answers instead of working (WireGuard paper §5.4.7), 64 bytes, integers little-endian.
///
///     type 3 (1) │ reserved 0 (3) │ receiver index (4) │ nonce (24) │ sealed cookie (32)
package struct CookieReplyMessage: Equatable, Sendable {
    package static let type: UInt8 = 3
    package static let size = 64

    package var receiver: UInt32
    package var nonce: [UInt8]
    package var sealedCookie: [UInt8]

    init(receiver: UInt32, nonce: [UInt8], sealedCookie: [UInt8]) {
        self.receiver = receiver
        self.nonce = nonce
        self.sealedCookie = sealedCookie
    }

    package init(parsing bytes: Span<UInt8>) throws(WireError) {
        var reader = ByteReader(bytes)
        try reader.readType(Self.type)
        receiver = try reader.readLittleEndianUInt32()
        nonce = try reader.readBytes(24)
        sealedCookie = try reader.readBytes(32)
        try reader.finish()
    }

    var bytes: [UInt8] {
        var writer = ByteWriter(capacity: Self.size)
        writer.append(littleEndian: UInt32(Self.type))
        writer.append(littleEndian: receiver)
        writer.append(nonce)
        writer.append(sealedCookie)
        return writer.bytes
    }
}
