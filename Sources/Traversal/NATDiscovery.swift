import STUN
package import SansIO
package import Wire

/// Finds out what stands between this host and others in one family of addresses, within seconds, with fresh sockets.
///
/// ```
///   socket 0     asks every observer            does the mapping depend on whom we send to?
///   socket 1     asks one, and then others send whom does the mapping let in?
///   all sockets  ask that one                   which ports does the NAT choose?
///   the last two send to each other's outside   does the NAT bend that back (hairpin)?
/// ```
/// Observers are members, which answer STUN and can be asked to send from a fresh port, and stock STUN servers, of which those
/// with a second address do the same (RFC 5780). Fresh sockets, so that what the node has sent before says nothing.
package struct NATDiscovery: Sendable {
    package enum FilterTest: Int, CaseIterable, Sendable {
        case otherPort
        case otherAddress
    }

    package enum DialOutcome: Equatable, Sendable {
        case arrived(from: Endpoint)
        /// It was sent, and did not arrive.
        case missed
        case notSent
    }

    package enum Action: Equatable, Sendable {
        case send([UInt8], from: Int, to: Endpoint)
        /// Ask a member to send to `target` from a fresh port, and tell the outcome by `dialled`.
        case dialBack(FilterTest, by: Int, target: Endpoint)
        case done(NATFamilyReport)
    }

    package static let observerLimit = 6
    /// How long after the first answer others may still come before one of them is chosen for the further tests.
    static let settlingTime: Duration = .milliseconds(200)
    static let timeLimit: Duration = .milliseconds(3800)
    static let patience = STUNClient.Patience(attempts: 5, lastWait: .milliseconds(700))
    static let hairpinWaits: [Duration] = [.milliseconds(200), .milliseconds(300), .milliseconds(500)]

    struct Hairpin: Sendable {
        var attempts = 0
        var nextAt: Instant
        var transaction: STUNTransaction
        var hasArrived = false
        var isOver = false
    }

    let setup: Setup
    var client = STUNClient()
    var samples: [NATFamilyReport.Sample] = []
    var others: [Endpoint: Endpoint] = [:]
    private var startedAt = Instant.zero
    private var settlesAt: Instant?
    var anchor: Observer?
    private var tests: [FilterTest: Bool] = [:]
    var openTests = 0
    var hasBegunFiltering = false
    var hairpin: Hairpin?
    private var isDone = false

    package init(_ setup: Setup) {
        self.setup = setup
    }

    package var nextDeadline: Instant? {
        guard !isDone else { return nil }
        let hairpinAt = hairpin.flatMap { $0.isOver ? nil : $0.nextAt }
        return [client.nextDeadline, settlesAt, hairpinAt, startedAt + Self.timeLimit].compactMap { $0 }.min()
    }

    // MARK: what comes in

    package mutating func start(at now: Instant, using random: inout some RandomNumberGenerator) -> [Action] {
        startedAt = now
        if let obstacle = obstacle { return finish(.untested(obstacle)) }
        var actions: [Action] = []
        for observer in setup.observers {
            actions += ask(observer.endpoint, from: setup.sockets[0].number, at: now, using: &random)
        }
        return actions
    }

    private var obstacle: Obstacle? {
        if setup.local.isEmpty || setup.sockets.isEmpty { return .noAddress }
        return setup.observers.isEmpty ? .noObserver : nil
    }

    /// Something came in on one of our sockets: an answer, or what the other socket sent by way of the NAT.
    package mutating func receive(
        _ datagram: [UInt8], from source: Endpoint, on socket: Int, at now: Instant,
        using random: inout some RandomNumberGenerator
    ) -> [Action] {
        guard !isDone else { return [] }
        if let expected = hairpin?.transaction, let message = try? STUNMessage(parsing: datagram),
            message.kind == .indication, message.transaction == expected
        {
            hairpin?.hasArrived = true
            hairpin?.isOver = true
            return finishIfComplete()
        }
        // What answers nothing is not ours.
        guard let clientActions = try? client.receive(datagram, from: source, on: socket, at: now) else { return [] }
        return carryOut(clientActions, at: now, using: &random)
    }

    /// What became of a `dialBack`.
    package mutating func dialled(_ test: FilterTest, _ outcome: DialOutcome) -> [Action] {
        // An answer that is late may be to a discovery before this one.
        guard !isDone, openTests > 0 else { return [] }
        openTests -= 1
        switch outcome {
        case .arrived(let source):
            // Helpers may have more addresses than are known: where it came from counts.
            note(source.address == anchor?.endpoint.address ? .otherPort : .otherAddress, true)
        case .missed: note(test, false)
        case .notSent: break
        }
        return finishIfComplete()
    }

    mutating func note(_ test: FilterTest, _ hasArrived: Bool?) {
        if let hasArrived { tests[test] = hasArrived || tests[test] == true }
    }

    package mutating func advance(to now: Instant, using random: inout some RandomNumberGenerator) -> [Action] {
        guard !isDone else { return [] }
        var actions = carryOut(client.advance(to: now), at: now, using: &random)
        if let settlesAt, settlesAt <= now, !isDone { actions += chooseAnchor(at: now, using: &random) }
        if let due = hairpin, !due.isOver, due.nextAt <= now, !isDone { actions += sendHairpin(at: now) }
        if now - startedAt >= Self.timeLimit, !isDone { actions += finish(nil) }
        return actions
    }

    // MARK: asking

    private mutating func ask(
        _ server: Endpoint, from socket: Int, at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Action] {
        let question = STUNClient.Question(server, from: socket, patience: Self.patience)
        return carryOut(client.ask(question, at: now, using: &random), at: now, using: &random)
    }

    private mutating func carryOut(
        _ clientActions: [STUNClient.Action], at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Action] {
        var actions: [Action] = []
        for action in clientActions {
            switch action {
            case .send(let bytes, let socket, let server): actions.append(.send(bytes, from: socket, to: server))
            case .done(let question, let result):
                actions +=
                    question.change.isEmpty
                    ? answered(question, result, at: now, using: &random) : changed(question, result)
            }
        }
        return actions + finishIfComplete()
    }

    private mutating func answered(
        _ question: STUNClient.Question, _ result: STUNClient.Result, at now: Instant,
        using random: inout some RandomNumberGenerator
    ) -> [Action] {
        guard case .answered(let answer) = result,
            let index = setup.sockets.firstIndex(where: { $0.number == question.socket })
        else { return [] }
        samples.append(
            NATFamilyReport.Sample(
                socket: question.socket, localPort: setup.sockets[index].port, observer: question.server,
                mapped: answer.mapped, roundTripTime: answer.roundTripTime))
        if index == 0 {
            if let other = answer.other, mayHaveSecondAddress(question.server),
                isSecondAddress(other, of: question.server)
            {
                others[question.server] = other
            }
            if anchor == nil {
                settlesAt = settlesAt ?? now + Self.settlingTime
                let isLast = setup.observers.allSatisfy { observer in
                    samples.contains { $0.observer == observer.endpoint }
                }
                if isLast { return chooseAnchor(at: now, using: &random) }
            }
            return []
        }
        var actions: [Action] = []
        if index == 1 { actions += beginFiltering(towards: answer.mapped, at: now, using: &random) }
        return actions + beginHairpin(at: now, using: &random)
    }

    /// Only of servers that the operator names: no member has one, and none may have us send to others by claiming it.
    private func mayHaveSecondAddress(_ server: Endpoint) -> Bool {
        setup.observers.contains { $0.endpoint == server && $0.member == nil }
    }

    /// Whether a server has a second address, and not the same one by another name.
    private func isSecondAddress(_ other: Endpoint, of server: Endpoint) -> Bool {
        other.address != server.address && other.port != server.port && other.address.isIPv4 == server.address.isIPv4
            && other.address.isUnicast
    }

    /// Who does the further tests: whoever allows most of them.
    private mutating func chooseAnchor(
        at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Action] {
        settlesAt = nil
        let answering = setup.observers.filter { observer in samples.contains { $0.observer == observer.endpoint } }
        func rank(_ observer: Observer) -> Int {
            if others[observer.endpoint] != nil { return 0 }
            guard observer.member != nil else { return 3 }
            return helpers(besides: observer).isEmpty ? 2 : 1
        }
        let ranked = answering.enumerated().map { (rank: (rank($1), $0), observer: $1) }
        guard let chosen = ranked.min(by: { $0.rank < $1.rank })?.observer, anchor == nil else { return [] }
        anchor = chosen
        var actions: [Action] = []
        for socket in setup.sockets.dropFirst() {
            actions += ask(chosen.endpoint, from: socket.number, at: now, using: &random)
        }
        if let other = others[chosen.endpoint] {
            let more = [
                Endpoint(chosen.endpoint.address, port: other.port), other,
                Endpoint(other.address, port: chosen.endpoint.port),
            ]
            for endpoint in more { actions += ask(endpoint, from: setup.sockets[0].number, at: now, using: &random) }
        }
        return actions
    }

    func helpers(besides observer: Observer) -> [Helper] {
        setup.helpers.filter { helper in
            helper.member != observer.member && !helper.addresses.isEmpty
                && !helper.addresses.contains(observer.endpoint.address)
        }
    }

    // MARK: concluding

    mutating func finishIfComplete() -> [Action] {
        guard !isDone, client.count == 0, openTests == 0, settlesAt == nil, hairpin?.isOver ?? true else { return [] }
        return finish(nil)
    }

    private mutating func finish(_ connectivity: NATFamilyReport.Connectivity?) -> [Action] {
        isDone = true
        client.removeAll()
        let known = connectivity ?? (samples.isEmpty ? .blocked(asked: setup.observers.count) : .works)
        var report = NATFamilyReport(isIPv4: setup.isIPv4, connectivity: known)
        guard known == .works, let anchor else {
            if case .untested(let obstacle) = known { report.setAll(obstacle) }
            return [.done(report)]
        }
        let first = setup.sockets[0].number
        report.samples = samples
        report.mapping = NATClassification.mapping(of: samples.filter { $0.socket == first }, local: setup.local)
        let order = setup.sockets.map(\.number)
        report.ports = NATClassification.ports(
            of: order.compactMap { number in
                samples.first { $0.socket == number && $0.observer == anchor.endpoint }
            })
        report.filtering = NATClassification.filtering(
            fromOtherPort: tests[.otherPort], fromOtherAddress: tests[.otherAddress])
        report.hairpin = hairpin.map { .known($0.hasArrived) } ?? .unknown(.notTranslated)
        if report.mapping == .known(.none) {
            report.ports = .unknown(.notTranslated)
            report.lifetime = .unknown(.notTranslated)
        }
        report.layers = NATClassification.layers(
            local: setup.local, outside: report.outsideAddresses, gateways: setup.gateways)
        return [.done(report)]
    }
}

extension NATFamilyReport {
    fileprivate mutating func setAll(_ obstacle: Obstacle) {
        mapping = .unknown(obstacle)
        filtering = .unknown(obstacle)
        hairpin = .unknown(obstacle)
        ports = .unknown(obstacle)
        lifetime = .unknown(obstacle)
    }
}
