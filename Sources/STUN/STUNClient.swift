package import SansIO
package import Wire

/// Asks servers what our packets come from, and repeats until an answer comes or the question is given up.
///
/// Repeated as RFC 8489 §6.2.1 says, with a first wait of 100 ms. An answer counts only from where it was expected, on the socket
/// that asked, and once. Requests are padded so that a server's answer is hardly longer than what it was asked with.
package struct STUNClient: Sendable {
    package struct Question: Hashable, Sendable {
        package var server: Endpoint
        /// Which socket asks; numbers are the owner's.
        package var socket: Int
        package var change: STUNAttribute.Change
        /// Where the answer must come from; another than `server` where a change is asked for.
        package var answerer: Endpoint
        package var patience: Patience

        package init(
            _ server: Endpoint, from socket: Int, change: STUNAttribute.Change = [],
            answeredFrom answerer: Endpoint? = nil,
            patience: Patience = .full
        ) {
            self.server = server
            self.socket = socket
            self.change = change
            self.answerer = answerer ?? server
            self.patience = patience
        }
    }

    /// How often a request is sent, and how long the last one is waited for.
    package struct Patience: Hashable, Sendable {
        package var attempts: Int
        package var lastWait: Duration

        package init(attempts: Int, lastWait: Duration) {
            self.attempts = attempts
            self.lastWait = lastWait
        }

        /// Sent at 0, 0.1, 0.3, 0.7 and 1.5 s, given up after 3.
        package static let full = Patience(attempts: 5, lastWait: .milliseconds(1500))
        /// Where no answer is an answer: sent at 0, 0.1 and 0.3 s, given up after 1.1.
        package static let short = Patience(attempts: 3, lastWait: .milliseconds(800))
    }

    package struct Answer: Equatable, Sendable {
        /// The socket as the server sees it.
        package var mapped: Endpoint
        /// Another address and port of the server, where it has one.
        package var other: Endpoint?
        /// From the latest request, so that a lost one does not count.
        package var roundTripTime: Duration
    }

    package enum Result: Equatable, Sendable {
        case answered(Answer)
        case refused(code: Int)
        case unanswered
    }

    package enum Action: Equatable, Sendable {
        case send([UInt8], from: Int, to: Endpoint)
        case done(Question, Result)
    }

    /// Why a message was not an answer to anything.
    package enum Drop: Error, CaseIterable, Sendable {
        case malformed, notAnAnswer, unknownTransaction, wrongSource
    }

    private struct Transaction: Sendable {
        var question: Question
        var request: [UInt8]
        var sentCount: Int
        var sentAt: Instant
        var nextAt: Instant
    }

    package static let firstWait: Duration = .milliseconds(100)
    /// Questions under way at a time; beyond it none is asked.
    package static let limit = 64
    /// Bytes of a request without CHANGE-REQUEST: what common servers answer with fits.
    static let requestSize = 152

    private var transactions: [STUNTransaction: Transaction] = [:]
    /// In the order in which they were begun.
    private var order: [STUNTransaction] = []

    package init() {}

    package var nextDeadline: Instant? { transactions.values.map(\.nextAt).min() }
    package var count: Int { transactions.count }

    /// Begins to ask; nothing happens when too many questions are under way, or the same one is.
    package mutating func ask(
        _ question: Question, at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Action] {
        guard transactions.count < Self.limit, !transactions.values.contains(where: { $0.question == question }) else {
            return []
        }
        let identifier = STUNTransaction(using: &random)
        let request = Self.request(identifier, question.change)
        transactions[identifier] = Transaction(
            question: question, request: request, sentCount: 1, sentAt: now,
            nextAt: now + Self.wait(after: 1, question.patience))
        order.append(identifier)
        return [.send(request, from: question.socket, to: question.server)]
    }

    /// Takes what came in on a socket.
    package mutating func receive(
        _ datagram: [UInt8], from source: Endpoint, on socket: Int, at now: Instant
    ) throws(Drop) -> [Action] {
        guard let message = try? STUNMessage(parsing: datagram) else { throw .malformed }
        guard message.kind == .success || message.kind == .error else { throw .notAnAnswer }
        guard let transaction = transactions[message.transaction] else { throw .unknownTransaction }
        guard transaction.question.answerer == source, transaction.question.socket == socket else {
            throw .wrongSource
        }
        let result: Result
        if message.kind == .error {
            guard let code = message.errorCode else { throw .malformed }
            result = .refused(code: code)
        } else {
            guard let mapped = message.mappedEndpoint, mapped.address.isIPv4 == source.address.isIPv4 else {
                throw .malformed
            }
            result = .answered(
                Answer(mapped: mapped, other: message.otherEndpoint, roundTripTime: now - transaction.sentAt))
        }
        remove(message.transaction)
        return [.done(transaction.question, result)]
    }

    package mutating func advance(to now: Instant) -> [Action] {
        var actions: [Action] = []
        for identifier in order {
            guard let transaction = transactions[identifier], transaction.nextAt <= now else { continue }
            let question = transaction.question
            if transaction.sentCount >= question.patience.attempts {
                remove(identifier)
                actions.append(.done(question, .unanswered))
                continue
            }
            transactions[identifier]?.sentCount += 1
            transactions[identifier]?.sentAt = now
            transactions[identifier]?.nextAt = now + Self.wait(after: transaction.sentCount + 1, question.patience)
            actions.append(.send(transaction.request, from: question.socket, to: question.server))
        }
        return actions
    }

    /// Forgets every question.
    package mutating func removeAll() {
        transactions = [:]
        order = []
    }

    private mutating func remove(_ identifier: STUNTransaction) {
        transactions[identifier] = nil
        order.removeAll { $0 == identifier }
    }

    private static func wait(after sentCount: Int, _ patience: Patience) -> Duration {
        sentCount >= patience.attempts ? patience.lastWait : firstWait * (1 << (sentCount - 1))
    }

    private static func request(_ identifier: STUNTransaction, _ change: STUNAttribute.Change) -> [UInt8] {
        let room = requestSize - STUNMessage.headerSize - STUNAttribute.headerSize - STUNAttribute.fingerprintSize
        let name = STUNServer.software + String(repeating: " ", count: room - STUNServer.software.utf8.count)
        let attributes: [STUNAttribute] = (change.isEmpty ? [] : [.changeRequest(change)]) + [.software(name)]
        return STUNMessage(.request, identifier, attributes).encoded
    }
}

extension STUNMessage {
    fileprivate var errorCode: Int? {
        for case .errorCode(let code, _) in attributes { return code }
        return nil
    }
}
