package import SansIO
package import Wire

/// Tells whoever asks the address that it asks from: RFC 8489 Binding, and RFC 3489 for old clients.
///
/// - An answer is never longer than three times the request, so nobody is served an amplifier; where there is no room, what is
///   least needed is left out.
/// - Requests are limited for each source, an IPv4 address or an IPv6 /64, and in total.
/// - It has one address and one port: whoever wants an answer from another is told so (420), or gets none when it is an old
///   client, which would take any answer for what it asked for.
package struct STUNServer: Sendable {
    package enum Refusal: Int, Error, CaseIterable, Sendable {
        case malformed, notARequest, notServed, overSourceLimit, overTotalLimit, tooShort, otherSourceWanted

        package var name: String {
            switch self {
            case .malformed: "STUN messages not understood"
            case .notARequest: "STUN messages that are no request"
            case .notServed: "STUN requests of those that are not served"
            case .overSourceLimit: "STUN requests beyond the limit of their source"
            case .overTotalLimit: "STUN requests beyond the total limit"
            case .tooShort: "STUN requests too short to be answered"
            case .otherSourceWanted: "STUN requests of old clients for an answer from elsewhere"
            }
        }
    }

    package static let sourceRate = 20
    package static let sourceBurst = 100
    package static let totalRate = 1000
    package static let totalBurst = 2000
    package static let sourceLimit = 4096
    /// An answer has at most so many times the bytes of its request.
    package static let amplificationLimit = 3
    static let software = "KubeMesh"

    private var sources = SourceBuckets(rate: sourceRate, burst: sourceBurst, limit: sourceLimit)
    private var total: TokenBucket
    package private(set) var answeredCount: UInt64 = 0

    package init(at now: Instant) {
        total = TokenBucket(rate: Self.totalRate, burst: Self.totalBurst, now: now)
    }

    /// Answers a request from `source` that came to `local`, where that is known.
    ///
    /// - Parameter isServed: whether this source is to have an answer at all.
    package mutating func answer(
        _ datagram: [UInt8], from source: Endpoint, to local: Endpoint?, isServed: Bool, at now: Instant
    ) throws(Refusal) -> [UInt8] {
        guard let request = try? STUNMessage(parsing: datagram) else { throw .malformed }
        guard request.kind == .request else { throw .notARequest }
        guard isServed else { throw .notServed }
        guard sources.take(from: source.address, at: now) else { throw .overSourceLimit }
        guard total.take(at: now) else { throw .overTotalLimit }
        let limit = datagram.count * Self.amplificationLimit
        guard let answer = Self.answer(to: request, from: source) else { throw .otherSourceWanted }
        guard answer.size <= limit else { throw .tooShort }
        answeredCount += 1
        return Self.completed(answer, request, source, local, limit: limit).encoded
    }

    /// What must be said; `nil` when silence is right.
    private static func answer(to request: STUNMessage, from source: Endpoint) -> STUNMessage? {
        let isClassic = request.transaction.isClassic
        var unknown = request.unknownRequired
        if let change = request.changeRequest, !change.isEmpty {
            if isClassic { return nil }
            unknown.append(3)
        }
        guard unknown.isEmpty else {
            return STUNMessage(
                .error, request.transaction,
                [.errorCode(420, reason: "Unknown Attribute"), .unknownAttributes(Array(unknown.prefix(8)))])
        }
        return STUNMessage(
            .success, request.transaction, [isClassic ? .mappedAddress(source) : .xorMappedAddress(source)])
    }

    /// Adds what is useful, the most useful first, while there is room.
    private static func completed(
        _ answer: STUNMessage, _ request: STUNMessage, _ source: Endpoint, _ local: Endpoint?, limit: Int
    ) -> STUNMessage {
        var optional: [STUNAttribute] = []
        if answer.kind == .success {
            if let local {
                // Old clients read both; that there is no other address they see from its being the same.
                optional +=
                    request.transaction.isClassic
                    ? [.sourceAddress(local), .changedAddress(local)] : [.responseOrigin(local)]
            }
            for case .padding(let count) in request.attributes { optional.append(.padding(count)) }
        }
        if !request.transaction.isClassic { optional.append(.software(software)) }
        return optional.reduce(answer) { answer, attribute in
            // Padding that is asked for makes an answer as long as the request, not three times.
            let room = if case .padding = attribute { limit / amplificationLimit } else { limit }
            var longer = answer
            longer.attributes.append(attribute)
            return longer.size <= room ? longer : answer
        }
    }
}
