/// An HTTP proxy as configurations and environments name it: `http://[user:password@]host[:port]`.
///
/// User and password may hold any character as %XX (RFC 3986 §2.1); without a port, 3128 is meant.
package struct HTTPProxy: Hashable, Sendable {
    package static let defaultPort: UInt16 = 3128

    /// A name or an address; an IPv6 address without brackets.
    package var host: String
    package var port: UInt16
    /// "user:password" for basic authentication (RFC 7617).
    package var credentials: String?

    package init(host: String, port: UInt16, credentials: String? = nil) {
        self.host = host
        self.port = port
        self.credentials = credentials
    }

    /// The proxy as people may see it: without user and password.
    package var name: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

extension HTTPProxy: LosslessStringConvertible {
    package init?(_ text: String) {
        guard text.lowercased().hasPrefix("http://") else { return nil }
        var authority = text.dropFirst("http://".count)
        if authority.hasSuffix("/") { authority.removeLast() }
        if let at = authority.lastIndex(of: "@") {
            guard let credentials = authority[..<at].percentDecoded, credentials.contains(":") else { return nil }
            self.credentials = credentials
            authority = authority[authority.index(after: at)...]
        }
        guard let (host, port) = Self.hostAndPort(authority) else { return nil }
        self.host = host
        self.port = port
    }

    /// Reads as what was written, user and password included: for configuration files, not for logs.
    package var description: String {
        "http://" + (credentials.map { "\($0.percentEncodedCredentials)@" } ?? "") + name
    }

    private static func hostAndPort(_ text: Substring) -> (String, UInt16)? {
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]"), let address = IPv6Address(text[..<end].dropFirst()) else {
                return nil
            }
            return port(after: text[text.index(after: end)...]).map { (address.description, $0) }
        }
        let host = text.prefix { $0 != ":" }
        let isFit = host.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"):
                true
            default: false
            }
        }
        guard !host.isEmpty, host.utf8.count <= 253, isFit else { return nil }
        return port(after: text.dropFirst(host.count)).map { (String(host), $0) }
    }

    private static func port(after rest: Substring) -> UInt16? {
        if rest.isEmpty { return defaultPort }
        let digits = rest.dropFirst()
        guard rest.hasPrefix(":"), digits.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            let port = UInt16(digits), port > 0
        else { return nil }
        return port
    }
}

extension StringProtocol {
    /// `nil` for a % without two hexadecimal digits, and for control characters, which would break a header apart.
    fileprivate var percentDecoded: String? {
        var bytes: [UInt8] = []
        var rest = utf8[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%") {
                let digits = String(decoding: rest.prefix(2), as: UTF8.self)
                guard let decoded = [UInt8](hexadecimal: digits), decoded.count == 1 else { return nil }
                rest = rest.dropFirst(2)
                bytes += decoded
            } else {
                bytes.append(byte)
            }
        }
        guard bytes.allSatisfy({ $0 >= UInt8(ascii: " ") && $0 != 127 }) else { return nil }
        return String(validating: bytes, as: UTF8.self)
    }

    /// The colon between user and password stays.
    fileprivate var percentEncodedCredentials: String {
        utf8.map { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"), UInt8(ascii: ":"):
                String(UnicodeScalar(byte))
            default: "%" + [byte].hexadecimal.uppercased()
            }
        }
        .joined()
    }
}

extension StringProtocol {
    /// Whether a text begins with a scheme and `://` (RFC 3986 §3).
    package var hasURLScheme: Bool {
        guard let colon = firstIndex(of: ":"), let first = utf8.first, first.isLetter else { return false }
        let isScheme = self[..<colon].utf8.allSatisfy { $0.isLetter || $0.isDigit || "+-.".utf8.contains($0) }
        return isScheme && self[colon...].hasPrefix("://")
    }
}

extension UInt8 {
    fileprivate var isLetter: Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(self | 0x20)
    }
    fileprivate var isDigit: Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self) }
}
