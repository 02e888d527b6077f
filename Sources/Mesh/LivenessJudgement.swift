import Identity

/// Who is dead, from what watchers say and what this node hears itself.
///
/// A node may be dead when everybody that it has named as a watcher says that it is silent, or may be dead too; and it is, when
/// there is evidence: one of them says so, or this node has asked it in vain. So a watcher that dies together with whom it watches
/// hides nothing, and watchers that name each other are not dead because nobody else speaks of them.
struct LivenessJudgement {
    struct Statement: Equatable {
        var watchers: [NodeID]
        var silent: Set<NodeID>
    }

    struct Verdict: Equatable {
        /// Somebody has said so, or did not answer.
        var dead: Set<NodeID> = []
        /// Nobody is left who could say anything about them: they may have other watchers by now.
        var unwitnessed: Set<NodeID> = []
    }

    /// By author; this node's own among them.
    var statements: [NodeID: Statement]
    /// This node, and those that it hears: whatever is said of them.
    var heard: Set<NodeID>
    /// Those that this node has asked in vain.
    var unanswered: Set<NodeID>
    /// Those that this node knows of from its disk alone; all, when no relay that it keeps a tunnel with answers.
    var isUnconfirmed: (NodeID) -> Bool

    var verdict: Verdict {
        let suspects = suspects
        var verdict = Verdict()
        for node in suspects where isAccused(node) { verdict.dead.insert(node) }
        verdict.unwitnessed = suspects.filter { !verdict.dead.contains($0) && isUnconfirmed($0) }
        // Whose watchers are all gone.
        var hasChanged = true
        while hasChanged {
            hasChanged = false
            for node in suspects where !verdict.dead.contains(node) && !verdict.unwitnessed.contains(node) {
                let watchers = statements[node]?.watchers ?? []
                guard watchers.allSatisfy({ verdict.dead.contains($0) || verdict.unwitnessed.contains($0) })
                else { continue }
                verdict.unwitnessed.insert(node)
                hasChanged = true
            }
        }
        // Who has named nobody is a witness that may be missing, but nobody to be told of.
        verdict.dead = verdict.dead.filter { statements[$0]?.watchers.isEmpty == false }
        verdict.unwitnessed = verdict.unwitnessed.filter { statements[$0]?.watchers.isEmpty == false }
        return verdict
    }

    /// Those that no living witness speaks for: the greatest set whose watchers all say silent or are in it.
    private var suspects: Set<NodeID> {
        let named = statements.filter { !$0.value.watchers.isEmpty }.map(\.key)
        let mute = unanswered.filter { statements[$0]?.watchers.isEmpty ?? true }
        var suspects = Set(named + mute).subtracting(heard)
        var hasChanged = true
        while hasChanged {
            hasChanged = false
            for node in suspects {
                let watchers = statements[node]?.watchers ?? []
                guard watchers.contains(where: { !suspects.contains($0) && !isSilent(node, for: $0) }) else { continue }
                suspects.remove(node)
                hasChanged = true
            }
        }
        return suspects
    }

    private func isAccused(_ node: NodeID) -> Bool {
        unanswered.contains(node) || statements[node]?.watchers.contains { isSilent(node, for: $0) } == true
    }

    private func isSilent(_ node: NodeID, for watcher: NodeID) -> Bool {
        statements[watcher]?.silent.contains(node) == true
    }
}
