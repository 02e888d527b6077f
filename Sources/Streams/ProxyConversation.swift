import Wire

/// Asking an HTTP proxy for a tunnel to a relay (CONNECT, RFC 9110 §9.3.6): one request, one answer.
struct ProxyConversation {
    enum Failure: Error, Equatable {
        /// The proxy said no, with this status.
        case refused(status: Int)
        /// What answered is no HTTP proxy.
        case malformed
    }

    /// Bytes of an answer's head.
    static let answerLimit = 16_384

    let request: [UInt8]
    private var answer: [UInt8] = []

    init(to target: Endpoint, through proxy: HTTPProxy) {
        var lines = ["CONNECT \(target) HTTP/1.1", "Host: \(target)"]
        if let credentials = proxy.credentials {
            lines.append("Proxy-Authorization: Basic \(Array(credentials.utf8).base64)")
        }
        request = Array((lines + ["", ""]).joined(separator: "\r\n").utf8)
    }

    /// Takes what the proxy sent. `nil` until the answer is complete; then what followed it, which is the relay's already.
    mutating func receive(_ bytes: ArraySlice<UInt8>) throws(Failure) -> ArraySlice<UInt8>? {
        let known = max(0, answer.count - 3)
        answer.append(contentsOf: bytes)
        guard let end = Self.end(of: answer, from: known) else {
            guard answer.count <= Self.answerLimit else { throw .malformed }
            return nil
        }
        let status = try Self.status(of: answer[..<end])
        guard (200...299).contains(status) else { throw .refused(status: status) }
        return answer[end...]
    }

    /// Where the head ends, behind the empty line.
    private static func end(of bytes: [UInt8], from start: Int) -> Int? {
        guard bytes.count >= 4 else { return nil }
        return (start...(bytes.count - 4)).first { bytes[$0..<($0 + 4)].elementsEqual([13, 10, 13, 10]) }.map { $0 + 4 }
    }

    /// The status code of "HTTP/1.1 200 Connection established".
    private static func status(of head: ArraySlice<UInt8>) throws(Failure) -> Int {
        let line = String(decoding: head.prefix { $0 != 13 }, as: UTF8.self)
        let words = line.split(separator: " ", maxSplits: 2)
        guard words.count >= 2, words[0].hasPrefix("HTTP/1."), words[1].utf8.count == 3, let status = Int(words[1]),
            (100...599).contains(status)
        else { throw .malformed }
        return status
    }
}
