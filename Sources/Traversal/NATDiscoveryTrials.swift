import STUN
import SansIO
import Wire

// The trials of a discovery: whom the NAT lets in, and whether it bends back what is sent to its outside from within.
extension NATDiscovery {
    // MARK: filtering

    /// The socket has sent to the anchor alone; now others send to what it is mapped to.
    mutating func beginFiltering(
        towards mapped: Endpoint, at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Action] {
        guard let anchor, !hasBegunFiltering else { return [] }
        hasBegunFiltering = true
        var actions: [Action] = []
        if let other = others[anchor.endpoint] {
            let sameAddress = Endpoint(anchor.endpoint.address, port: other.port)
            let bothChanged: STUNAttribute.Change = [.address, .port]
            for (change, answerer) in [(STUNAttribute.Change.port, sameAddress), (bothChanged, other)] {
                let question = STUNClient.Question(
                    anchor.endpoint, from: setup.sockets[1].number, change: change, answeredFrom: answerer,
                    patience: .short)
                openTests += 1
                for case .send(let bytes, let socket, let server) in client.ask(question, at: now, using: &random) {
                    actions.append(.send(bytes, from: socket, to: server))
                }
            }
            return actions
        }
        if let member = anchor.member, setup.helpers.contains(where: { $0.member == member }) {
            openTests += 1
            actions.append(.dialBack(.otherPort, by: member, target: mapped))
        }
        for helper in helpers(besides: anchor).prefix(2) {
            openTests += 1
            actions.append(.dialBack(.otherAddress, by: helper.member, target: mapped))
        }
        return actions
    }

    /// A stock server was asked to answer from elsewhere.
    mutating func changed(_ question: STUNClient.Question, _ result: STUNClient.Result) -> [Action] {
        openTests -= 1
        let test = question.change.contains(.address) ? FilterTest.otherAddress : .otherPort
        switch result {
        case .answered: note(test, true)
        case .unanswered: note(test, false)
        case .refused: note(test, nil)
        }
        return []
    }

    // MARK: hairpin

    private var pair: (one: NATFamilyReport.Sample, other: NATFamilyReport.Sample)? {
        guard setup.sockets.count >= 4 else { return nil }
        let numbers = setup.sockets.suffix(2).map(\.number)
        let seen = numbers.compactMap { number in samples.first { $0.socket == number } }
        return seen.count == 2 ? (seen[0], seen[1]) : nil
    }

    private func isTranslated(_ sample: NATFamilyReport.Sample) -> Bool { !setup.local.contains(sample.mapped.address) }

    mutating func beginHairpin(
        at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Action] {
        guard hairpin == nil, let pair, isTranslated(pair.one), isTranslated(pair.other) else { return [] }
        hairpin = Hairpin(nextAt: now, transaction: STUNTransaction(using: &random))
        return sendHairpin(at: now)
    }

    /// Both send, so that a filter lets either in.
    mutating func sendHairpin(at now: Instant) -> [Action] {
        guard let pair, let attempt = hairpin else { return [] }
        guard attempt.attempts < Self.hairpinWaits.count else {
            hairpin?.isOver = true
            return finishIfComplete()
        }
        hairpin?.nextAt = now + Self.hairpinWaits[attempt.attempts]
        hairpin?.attempts += 1
        let bytes = STUNMessage(.indication, attempt.transaction).encoded
        return [
            .send(bytes, from: pair.one.socket, to: pair.other.mapped),
            .send(bytes, from: pair.other.socket, to: pair.one.mapped),
        ]
    }
}
