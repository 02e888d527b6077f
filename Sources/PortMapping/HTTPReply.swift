import Wire

/// A request on a connection of its own, and the reply to it (RFC 9112), as far as UPnP needs it.
package struct HTTPReply: Equatable, Sendable {
    /// Longest reply, header and body together; descriptions of real gateways have 3 to 20 KB.
    package static let limitBytes = 1 << 16

    package var status: Int
    /// Header fields by their name in lower case; of several with one name, the last.
    package var fields: [String: String]
    package var body: [UInt8]

    enum Progress: Equatable {
        case incomplete
        case complete(HTTPReply)
        case malformed
    }

    /// Reads what has come so far. `isClosed`: no more will come, which ends a body of unsaid length.
    static func parse(_ bytes: [UInt8], isClosed: Bool) -> Progress {
        guard bytes.count <= limitBytes else { return .malformed }
        guard let end = endOfHeader(bytes) else { return isClosed ? .malformed : .incomplete }
        let lines = bytes[..<end].split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: true)
        guard let first = lines.first, let status = status(String(decoding: first, as: UTF8.self)) else {
            return .malformed
        }
        var reply = HTTPReply(status: status, fields: [:], body: [])
        for line in lines.dropFirst().prefix(64) {
            guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { continue }
            let name = String(decoding: line[..<colon], as: UTF8.self).lowercased()
            reply.fields[name] = trimmed(String(decoding: line[(colon + 1)...], as: UTF8.self))
        }
        let rest = bytes[end...]
        if reply.fields["transfer-encoding"]?.lowercased() == "chunked" {
            return reply.finish(chunks: rest, isClosed: isClosed)
        }
        if let text = reply.fields["content-length"] {
            guard let length = Int(text), (0...limitBytes).contains(length) else { return .malformed }
            guard rest.count >= length else { return isClosed ? .malformed : .incomplete }
            reply.body = Array(rest.prefix(length))
            return .complete(reply)
        }
        guard isClosed else { return .incomplete }
        reply.body = Array(rest)
        return .complete(reply)
    }

    /// Where the body starts: after the first empty line.
    private static func endOfHeader(_ bytes: [UInt8]) -> Int? {
        var lineLength = 0
        for (offset, byte) in bytes.enumerated() {
            switch byte {
            case UInt8(ascii: "\n"):
                if lineLength == 0, offset > 2 { return offset + 1 }
                lineLength = 0
            case UInt8(ascii: "\r"): break
            default: lineLength += 1
            }
        }
        return nil
    }

    /// "HTTP/1.1 200 OK".
    private static func status(_ line: String) -> Int? {
        let words = line.split(separator: " ")
        guard words.count >= 2, words[0].hasPrefix("HTTP/1."), let status = Int(trimmed(String(words[1]))),
            (100...599).contains(status)
        else { return nil }
        return status
    }

    private static func trimmed(_ text: String) -> String {
        let blanks: Set<Character> = [" ", "\t", "\r", "\n", "\r\n"]
        let start = text.drop { blanks.contains($0) }
        guard let last = start.lastIndex(where: { !blanks.contains($0) }) else { return "" }
        return String(start[...last])
    }

    /// Joins a body that came in chunks (RFC 9112 §7.1).
    private func finish(chunks: ArraySlice<UInt8>, isClosed: Bool) -> Progress {
        var reply = self
        var rest = chunks
        while let lineEnd = rest.firstIndex(of: UInt8(ascii: "\n")) {
            let line = String(decoding: rest[..<lineEnd].prefix { $0 != UInt8(ascii: ";") }, as: UTF8.self)
            guard let size = Int(Self.trimmed(line), radix: 16), (0...Self.limitBytes).contains(size) else {
                return .malformed
            }
            if size == 0 { return .complete(reply) }
            let start = lineEnd + 1
            guard let end = rest.index(start, offsetBy: size, limitedBy: rest.endIndex) else { break }
            reply.body += rest[start..<end]
            rest = rest[end...].drop { $0 == UInt8(ascii: "\r") }
            guard rest.first ?? UInt8(ascii: "\n") == UInt8(ascii: "\n") else { return .malformed }
            rest = rest.dropFirst()
        }
        return isClosed ? .malformed : .incomplete
    }
}

/// The requests that UPnP needs; each asks the other side to close the connection afterwards.
enum HTTPRequest {
    static func get(_ location: HTTPLocation) -> [UInt8] {
        Array("GET \(location.path) HTTP/1.1\r\n\(common(location))\r\n".utf8)
    }

    static func post(_ body: String, to location: HTTPLocation, action: String) -> [UInt8] {
        Array(
            """
            POST \(location.path) HTTP/1.1\r
            \(common(location))Content-Type: text/xml; charset="utf-8"\r
            Content-Length: \(body.utf8.count)\r
            SOAPAction: "\(action)"\r
            \r
            \(body)
            """.utf8)
    }

    private static func common(_ location: HTTPLocation) -> String {
        "Host: \(Endpoint(location.endpoint.address, port: location.endpoint.port))\r\nConnection: close\r\n"
            + "User-Agent: KubeMesh UPnP/1.1\r\n"
    }
}
