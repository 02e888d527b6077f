/// Writes one response at the end of a buffer that may hold others.
struct ResponseWriter {
    /// What a response says besides its records.
    struct Head {
        var code = ResponseCode.noError
        var isAuthoritative = false
        var offersRecursion = false
        /// An extended error (RFC 8914), for those who understand EDNS.
        var extendedError: UInt16?
    }

    private static let optionBytes = 11
    private static let extendedErrorBytes = 6

    let query: Query
    /// The bytes that the response may have.
    let limitBytes: Int

    /// - Parameters:
    ///   - question: bytes whose 12..<`query.questionEnd` are the question as it was asked.
    ///   - turn: which of the answers comes first, where their order is free.
    ///   - aged: the seconds that have gone by since the answer was made, and where its TTLs stand.
    func write(
        _ head: Head, _ answer: PreparedAnswer, question: Span<UInt8>, turn: UInt32 = 0,
        aged: (seconds: UInt32, ttlOffsets: [UInt16])? = nil, to output: inout [UInt8]
    ) {
        let extra = query.hasEDNS ? Self.optionBytes + (head.extendedError == nil ? 0 : Self.extendedErrorBytes) : 0
        let room = limitBytes - query.questionEnd - extra
        let start = output.count
        if answer.bytes.count <= room {
            writeFront(head, answer.answerCount, answer.authorityCount, answer.additionalCount, question, &output)
            if answer.stride > 0, answer.answerCount > 1 {
                let first = Int(turn % UInt32(answer.answerCount)) * answer.stride
                output.append(contentsOf: answer.bytes[first..<answer.answerEnd])
                output.append(contentsOf: answer.bytes[..<first])
                output.append(contentsOf: answer.bytes[answer.answerEnd...])
            } else {
                output.append(contentsOf: answer.bytes)
            }
        } else if answer.authorityEnd <= room {
            // Additional records are a courtesy: without them nothing is missing (RFC 2181 §9).
            writeFront(head, answer.answerCount, answer.authorityCount, 0, question, &output)
            output.append(contentsOf: answer.bytes[..<answer.authorityEnd])
        } else {
            let (count, bytes) = answer.answers(within: room)
            writeFront(head, count, 0, 0, question, &output)
            output[start + 2] |= UInt8(MessageFlags.truncated >> 8)
            output.append(contentsOf: answer.bytes[..<bytes])
        }
        if let aged { lower(aged.ttlOffsets, by: aged.seconds, from: start + query.questionEnd, &output) }
        writeOptions(head, &output)
    }

    /// The order of the records is the answer's; those that were left out are behind the end.
    private func lower(_ offsets: [UInt16], by seconds: UInt32, from start: Int, _ output: inout [UInt8]) {
        for offset in offsets {
            let place = start + Int(offset)
            guard place + 4 <= output.count else { return }
            let ttl = (0..<4).reduce(UInt32(0)) { $0 << 8 | UInt32(output[place + $1]) }
            let left = ttl > seconds ? ttl - seconds : 0
            for byte in 0..<4 { output[place + byte] = UInt8(truncatingIfNeeded: left >> (24 - 8 * UInt32(byte))) }
        }
    }

    private func writeFront(
        _ head: Head, _ answers: UInt16, _ authorities: UInt16, _ additional: UInt16, _ question: Span<UInt8>,
        _ output: inout [UInt8]
    ) {
        let kept = MessageFlags.recursionDesired | MessageFlags.checkingDisabled | 0x7800
        var flags = MessageFlags.response | (query.flags.rawValue & kept) | (head.code.rawValue & 15)
        if head.isAuthoritative { flags |= MessageFlags.authoritative }
        if head.offersRecursion { flags |= MessageFlags.recursionAvailable }
        let hasQuestion: UInt16 = query.questionEnd > Message.headerBytes ? 1 : 0
        for field in [query.id, flags, hasQuestion, answers, authorities, additional + (query.hasEDNS ? 1 : 0)] {
            output.append(bigEndian: field)
        }
        for offset in Message.headerBytes..<query.questionEnd { output.append(question[offset]) }
    }

    private func writeOptions(_ head: Head, _ output: inout [UInt8]) {
        guard query.hasEDNS else { return }
        output.append(0)
        output.append(bigEndian: RecordType.opt.rawValue)
        output.append(bigEndian: UInt16(EDNS.payloadLimit))
        output.append(UInt8(head.code.rawValue >> 4))
        output.append(0)
        output.append(query.wantsSignatures ? 0x80 : 0)
        output.append(0)
        if let error = head.extendedError {
            for field in [6, 15, 2, error] { output.append(bigEndian: field) }
        } else {
            output.append(bigEndian: UInt16(0))
        }
    }
}

extension [UInt8] {
    @inline(__always)
    mutating func append(bigEndian value: UInt16) {
        append(UInt8(value >> 8))
        append(UInt8(truncatingIfNeeded: value))
    }
}
