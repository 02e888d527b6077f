package import Identity
import SansIO
import Wire

// Who is dead, as far as this node can tell.
extension Node {
    /// What comes within so long is judged together, and the more nodes there are to be judged the longer.
    private static let judgementPause: Duration = .milliseconds(20)
    private static let judgementPausePerNode: Duration = .microseconds(10)
    /// Whose watchers are all gone has so long to name others.
    private static let unwitnessedTime: Duration = .milliseconds(1500)
    /// What is known from disk alone counts for nothing when no statement has come for so long.
    private static let confirmationTime: Duration = .seconds(5)

    /// Nodes that cannot be reached by anybody, or not by this node: their watchers have not heard them, nor has this node.
    package var deadNodes: Set<NodeID> { liveness.dead }

    mutating func judgeSoon(at now: Instant) {
        judgeAgain(at: now + Self.judgementPause + Self.judgementPausePerNode * liveness.statements.count)
    }

    private mutating func judgeAgain(at due: Instant) {
        if deadlines.deadline(of: .judgement).map({ $0 > due }) ?? true { deadlines.set(due, for: .judgement) }
    }

    /// Judges although nothing was heard of: time alone may have changed something.
    mutating func judgeIfPressing(at now: Instant) {
        if !liveness.unconfirmed.isEmpty || !liveness.dead.isEmpty || !liveness.suspects.isEmpty { judgeSoon(at: now) }
    }

    mutating func judge(at now: Instant) {
        let confirmed = liveness.confirmedAt + Self.confirmationTime
        if !liveness.unconfirmed.isEmpty, now < confirmed { judgeAgain(at: confirmed) }
        guard isAnybodySuspect(at: now) else {
            liveness.unwitnessedSince = [:]
            return settle(dead: [])
        }
        var judgement = makeJudgement(at: now)
        var verdict = judgement.verdict
        // Those with whom a session stands are asked themselves before anything is believed of them.
        while true {
            let asked = verdict.dead.union(verdict.unwitnessed).sorted().filter { node in
                guard let number = peers.number(ofNode: node) else { return false }
                return suspect(number, at: now)
            }
            // Who is dead stays so until it answers.
            let alive = asked.filter { !liveness.dead.contains($0) }
            guard !alive.isEmpty else { break }
            judgement.heard.formUnion(alive)
            verdict = judgement.verdict
        }
        let since = liveness.unwitnessedSince
        liveness.unwitnessedSince = [:]
        for node in verdict.unwitnessed { liveness.unwitnessedSince[node] = since[node] ?? now }
        let ripe = liveness.unwitnessedSince.filter { now - $0.value >= Self.unwitnessedTime }.map(\.key)
        let next = liveness.unwitnessedSince.values.filter { now - $0 < Self.unwitnessedTime }.min()
        if let next { judgeAgain(at: next + Self.unwitnessedTime) }
        settle(dead: verdict.dead.union(ripe))
    }

    private mutating func settle(dead: Set<NodeID>) {
        let before = liveness.dead
        guard dead != before else { return }
        liveness.dead = dead
        let died = names(of: dead.subtracting(before))
        let back = names(of: before.subtracting(dead))
        if !died.isEmpty || !back.isEmpty { events(.livenessChanged(dead: died, back: back)) }
    }

    private func names(of nodes: Set<NodeID>) -> [String] {
        nodes.compactMap { directory.record(of: $0)?.chain.certificate.name.description }.sorted()
    }

    private func makeJudgement(at now: Instant) -> LivenessJudgement {
        let own = identity.nodeID
        var prefixes: [UInt64: NodeID] = [own.bytes.leadingUInt64: own]
        func node(_ prefix: UInt64) -> NodeID? {
            if let known = prefixes[prefix] { return known }
            let found = directory.node(beginning: prefix)
            prefixes[prefix] = found
            return found
        }
        var statements = liveness.statements.mapValues { statement in
            LivenessJudgement.Statement(
                watchers: statement.watchers.compactMap(node), silent: Set(statement.silent.compactMap(node)))
        }
        var heard: Set = [own]
        var unanswered: Set<NodeID> = []
        for (number, ear) in liveness.ears {
            guard let node = peers.node(of: number) else { continue }
            if ear.isSilent {
                unanswered.insert(node)
            } else if ear.hasHeard(within: Self.freshness, at: now) {
                heard.insert(node)
            }
        }
        statements[own] = LivenessJudgement.Statement(
            watchers: [], silent: liveness.watched.intersection(unanswered))
        let isCutOff = isCutOff
        let unconfirmed = unconfirmed(at: now)
        return LivenessJudgement(
            statements: statements, heard: heard, unanswered: unanswered,
            isUnconfirmed: { isCutOff || unconfirmed.contains($0) })
    }

    /// Whether there is anything that speaks against anybody; most of the time there is not.
    private func isAnybodySuspect(at now: Instant) -> Bool {
        liveness.ears.values.contains(where: \.isSilent) || !unconfirmed(at: now).isEmpty
            || liveness.statements.values.contains { !$0.silent.isEmpty } || isCutOff
    }

    private func unconfirmed(at now: Instant) -> Set<NodeID> {
        now - liveness.confirmedAt >= Self.confirmationTime ? liveness.unconfirmed : []
    }

    /// None of the relays that a tunnel is kept with, and that are there for everybody, answers.
    private var isCutOff: Bool {
        let relays = peers.numbers.filter { number in
            peers.isAnchor(number) && peers.node(of: number).flatMap(directory.relaying)?.anywhere == true
        }
        return !relays.isEmpty
            && relays.allSatisfy { !peers.isConnected($0) || liveness.ears[$0]?.isSilent == true }
    }
}
