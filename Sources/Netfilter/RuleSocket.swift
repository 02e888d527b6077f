import CNetfilter
import Glibc
import Netlink

/// Sets KubeMesh's rules in the packet filter of the network namespace it was opened in.
///
/// Everything of ours is in `table inet kubemesh`, and services (`ServiceTable`) in `ip kubemesh` and `ip6 kubemesh`. Other tables are not looked at, but for `ForwardAccept` and `ForwardPolicy`.
package struct RuleSocket: ~Copyable {
    private var socket: NetlinkSocket

    package init() throws(RuleError) {
        do {
            socket = try NetlinkSocket(.netfilter)
        } catch {
            throw .netlink(error)
        }
    }

    /// The address that notices of this socket's changes bear; see `RuleEvents`.
    package var portID: UInt32 { socket.portID }

    /// Replaces our table in one transaction: at no moment are there no rules, and a failure leaves the old ones.
    package mutating func apply(_ rules: HostRules) throws(RuleError) {
        if let problem = rules.problem { throw .invalid(problem) }
        try commit(rules.transaction)
    }

    /// Deletes our table. Success, too, if it is not there.
    package mutating func remove() throws(RuleError) {
        var transaction = Transaction()
        transaction.add(.own)
        transaction.delete(.own)
        try commit(transaction)
    }

    /// Sends the transaction and waits for the acknowledgement of every step.
    mutating func commit(_ transaction: Transaction) throws(RuleError) {
        guard !transaction.steps.isEmpty else { return }
        let first = socket.takeSequence(transaction.steps.count + 2)
        let last = first + UInt32(transaction.steps.count) + 1
        let begin = MessageBuilder(batch: NFNL_MSG_BATCH_BEGIN).bytes
        let end = MessageBuilder(batch: NFNL_MSG_BATCH_END).bytes
        var bytes: [UInt8] = []
        bytes.reserveCapacity(transaction.steps.reduce(64) { $0 + $1.bytes.count })
        NetlinkMessage.append(begin, numbered: first, to: &bytes)
        for (index, step) in transaction.steps.enumerated() {
            NetlinkMessage.append(step.bytes, numbered: first + UInt32(index) + 1, to: &bytes)
        }
        NetlinkMessage.append(end, numbered: last, to: &bytes)
        do {
            try socket.send(bytes)
        } catch {
            throw .netlink(error)
        }
        try acknowledge(transaction, from: first, to: last)
    }

    /// Steps answer one by one; what concerns the transaction as a whole answers with the number of its first message.
    private func acknowledge(_ transaction: Transaction, from first: UInt32, to last: UInt32) throws(RuleError) {
        var failures: [UInt32: NetlinkSocket.Refusal] = [:]
        var waiting = Set(first + 1..<last)
        while !waiting.isEmpty {
            for message in try receiveAnswer()
            where message.type == Int(NLMSG_ERROR) && (first...last).contains(message.sequence) {
                waiting.remove(message.sequence)
                guard let refusal = message.refusal else { continue }
                failures[message.sequence] = refusal
                // The kernel read no step, or could not complete them.
                if message.sequence == first || message.sequence == last { waiting.removeAll() }
            }
        }
        // Later failures are mostly consequences of the first.
        guard let failed = failures.min(by: { $0.key < $1.key }) else { return }
        let index = Int(failed.key) - Int(first) - 1
        let object =
            transaction.steps.indices.contains(index) ? transaction.steps[index].object : "KubeMesh's rules"
        throw .refused(object: object, code: failed.value.code, explanation: failed.value.explanation)
    }

    private func receiveAnswer() throws(RuleError) -> [NetlinkMessage] {
        do {
            return NetlinkMessage.split(try socket.receiveAnswer())
        } catch {
            throw .netlink(error)
        }
    }

    /// Sends one request for a dump and passes its answers on one by one, for what is too much to collect.
    mutating func dump(
        _ message: borrowing MessageBuilder, reading object: String, _ body: (NetlinkMessage) -> Void
    ) throws(RuleError) {
        do {
            try socket.dump(message, doing: "read", to: object, body)
        } catch {
            throw .netlink(error)
        }
    }

    /// Sends one request and collects its answers; `nil` when the kernel says that there is no such object.
    mutating func request(
        _ message: borrowing MessageBuilder, reading object: String
    ) throws(RuleError) -> [NetlinkMessage]? {
        do {
            return try socket.request(message, doing: "read", to: object)
        } catch {
            if error.code == ENOENT { return nil }
            throw .netlink(error)
        }
    }
}
