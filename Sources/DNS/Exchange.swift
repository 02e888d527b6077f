import SansIO
import Wire

/// One question sent to one upstream: what it looks like, and which answers belong to it.
struct Exchange: Sendable {
    enum Purpose: Sendable {
        case job(AnswerCache.Key)
        /// To see whether the server is there.
        case probe
    }

    /// What bytes from the upstream's address and to the exchange's port are.
    enum Verdict {
        case genuine(Message, keepsCase: Bool)
        /// The right identifier and name, but not in our case.
        case unproven
        case stray
    }

    let purpose: Purpose
    let server: Endpoint
    let sentAt: Instant
    let hasEDNS: Bool
    var isStream = false
    private let id: UInt16
    private let name: DomainName
    private let type: RecordType
    private let wantsSignatures: Bool
    private let disablesChecking: Bool
    /// Whether its case was drawn, so that an answer has to keep it (draft-vixie-dnsext-dns0x20).
    private let hasDrawnCase: Bool

    init(
        _ purpose: Purpose, to upstream: Upstream, at now: Instant, name: DomainName, type: RecordType,
        wantsSignatures: Bool = false, disablesChecking: Bool = false,
        using random: inout any RandomNumberGenerator & Sendable
    ) {
        self.purpose = purpose
        server = upstream.endpoint
        sentAt = now
        hasEDNS = !upstream.refusesEDNS
        id = UInt16.random(in: .min ... .max, using: &random)
        // The name of a probe is random as it is.
        if case .job = purpose { hasDrawnCase = !upstream.foldsCase } else { hasDrawnCase = false }
        self.name = hasDrawnCase ? Self.drawingCase(of: name, using: &random) : name
        self.type = type
        self.wantsSignatures = wantsSignatures
        self.disablesChecking = disablesChecking
    }

    private static func drawingCase(
        of name: DomainName, using random: inout any RandomNumberGenerator & Sendable
    ) -> DomainName {
        var bits: UInt64 = 0
        var left = 0
        return DomainName(
            checked: name.wire.map { byte in
                guard byte.isASCIILetter else { return byte }
                if left == 0 {
                    bits = UInt64.random(in: .min ... .max, using: &random)
                    left = 64
                }
                defer {
                    bits >>= 1
                    left -= 1
                }
                return bits & 1 == 0 ? byte | 0x20 : byte & ~0x20
            })
    }

    var message: [UInt8] {
        var message = Message(id: id, flags: MessageFlags.recursionDesired, question: Message.Question(name, type))
        if disablesChecking { message.flags.rawValue |= MessageFlags.checkingDisabled }
        if hasEDNS {
            var edns = EDNS()
            edns.wantsSignatures = wantsSignatures
            message.edns = edns
        }
        return message.bytes
    }

    func judge(_ bytes: [UInt8]) -> Verdict {
        guard let message = try? Message(parsing: bytes),  // Bad bytes of whoever: stray.
            message.flags.isResponse, message.flags.opcode == 0, message.id == id
        else { return .stray }
        guard let question = message.question else {
            // Some servers leave the question out of errors; over TCP nobody else can have sent it.
            let isError = message.flags.responseCode != .noError && message.flags.responseCode != .nameError
            return isStream && isError ? .genuine(message, keepsCase: true) : .stray
        }
        guard question.name == name, question.type == type, question.questionClass == ResourceRecord.internet else {
            return .stray
        }
        let keepsCase = question.name.wire == name.wire
        guard keepsCase || isStream || !hasDrawnCase else { return .unproven }
        return .genuine(message, keepsCase: keepsCase)
    }
}
