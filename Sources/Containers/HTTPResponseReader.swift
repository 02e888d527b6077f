/// Reads the responses of one HTTP/1.1 connection, one after another, as their bytes come (RFC 9112).
struct HTTPResponseReader: Sendable {
    enum Event: Equatable {
        case head(status: Int)
        case body([UInt8])
        case end
    }

    private enum State {
        case head
        /// What is left of a body whose length was said.
        case counted(Int)
        case untilClose
        case chunkSize
        case chunk(Int)
        case chunkEnd
        case trailers
    }

    /// Longest header, chunk size with its extensions, or trailer.
    static let headLimit = 16 << 10

    private var state = State.head
    /// Bytes that are not understood yet: of a header or a line.
    private var pending: [UInt8] = []

    /// Takes bytes in; returns what they tell.
    mutating func read(_ bytes: [UInt8]) throws(RuntimeFailure) -> [Event] {
        var events: [Event] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            switch state {
            case .head:
                guard let end = try takeLine(&rest) else { return events }
                guard end == 0 else { continue }
                // A blank line before a status line is passed over (RFC 9112 §2.2).
                let head = pending
                pending = []
                if head.count > 2 { events += try begin(head) }
            case .counted(let left): events += take(min(left, rest.count), of: &rest, left: left)
            case .untilClose:
                events.append(.body(Array(rest)))
                rest = []
            case .chunkSize:
                guard try takeLine(&rest) != nil else { return events }
                let digits = pending.prefix { Self.isHexadecimal($0) }
                pending = []
                guard let size = Int(String(decoding: digits, as: UTF8.self), radix: 16), digits.count < 9 else {
                    throw .malformed("a chunk has no size")
                }
                state = size == 0 ? .trailers : .chunk(size)
            case .chunk(let left):
                let count = min(left, rest.count)
                events.append(.body(Array(rest.prefix(count))))
                rest = rest.dropFirst(count)
                state = left == count ? .chunkEnd : .chunk(left - count)
            case .chunkEnd:
                guard try takeLine(&rest) != nil else { return events }
                pending = []
                state = .chunkSize
            case .trailers:
                guard let length = try takeLine(&rest) else { return events }
                pending = []
                if length == 0 {
                    events.append(.end)
                    state = .head
                }
            }
        }
        return events
    }

    /// The connection is closed, which ends a body of unsaid length.
    func endsHere() -> Bool {
        if case .untilClose = state { true } else { false }
    }

    /// Moves bytes to `pending` up to the end of a line. The line's length without its end, or `nil` if there is more to come.
    private mutating func takeLine(_ rest: inout ArraySlice<UInt8>) throws(RuntimeFailure) -> Int? {
        let end = rest.firstIndex(of: UInt8(ascii: "\n"))
        pending += rest[..<(end.map { $0 + 1 } ?? rest.endIndex)]
        rest = end.map { rest[($0 + 1)...] } ?? []
        guard pending.count <= Self.headLimit else { throw .tooLarge("a header") }
        guard end != nil else { return nil }
        let line = pending.dropLast().reversed().prefix { $0 != UInt8(ascii: "\n") }
        return line.first == UInt8(ascii: "\r") ? line.count - 1 : line.count
    }

    private mutating func take(_ count: Int, of rest: inout ArraySlice<UInt8>, left: Int) -> [Event] {
        var events = [Event.body(Array(rest.prefix(count)))]
        rest = rest.dropFirst(count)
        state = .counted(left - count)
        if left == count {
            events.append(.end)
            state = .head
        }
        return events
    }

    private mutating func begin(_ head: [UInt8]) throws(RuntimeFailure) -> [Event] {
        let lines = head.split { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }
        let words = lines.first?.split(separator: UInt8(ascii: " ")) ?? []
        guard words.count >= 2, words[0].starts(with: Array("HTTP/1.".utf8)),
            let status = Int(String(decoding: words[1], as: UTF8.self)), (100...599).contains(status)
        else { throw .malformed("no status line") }
        if status < 200 { return [] }
        var length: Int?
        var isChunked = false
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { continue }
            let value = line[(colon + 1)...].drop { $0 == UInt8(ascii: " ") }
            switch String(decoding: line[..<colon], as: UTF8.self).lowercased() {
            case "content-length":
                guard let number = Int(String(decoding: value, as: UTF8.self)), number >= 0 else {
                    throw .malformed("a length that is no number")
                }
                length = number
            case "transfer-encoding": isChunked = value.starts(with: Array("chunked".utf8))
            default: break
            }
        }
        if isChunked {
            state = .chunkSize
        } else if let length, length > 0 {
            state = .counted(length)
        } else if length == 0 || status == 204 || status == 304 {
            return [.head(status: status), .end]
        } else {
            state = .untilClose
        }
        return [.head(status: status)]
    }

    private static func isHexadecimal(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
            UInt8(ascii: "A")...UInt8(ascii: "F"):
            true
        default: false
        }
    }
}
