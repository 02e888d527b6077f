/// Finds what somebody meant to type.
package enum NearMiss {
    /// The candidate nearest to `word`, if it is near enough: one slip for each three letters, or a beginning of two or more.
    package static func suggestion(for word: some StringProtocol, among candidates: [String]) -> String? {
        let typed = Array(word.lowercased())
        let ranked = candidates.map { ($0, distance(typed, Array($0))) }
        let best = ranked.min { $0.1 < $1.1 }
        if let best, best.1 <= max(1, (typed.count + 1) / 3), best.1 < best.0.count { return best.0 }
        let begun = candidates.filter { typed.count >= 2 && $0.hasPrefix(word.lowercased()) }
        return begun.count == 1 ? begun[0] : nil
    }

    /// How many insertions, deletions, replacements and swaps of neighbours lead from one word to the other
    /// (optimal string alignment).
    static func distance(_ left: [Character], _ right: [Character]) -> Int {
        var beforeLast: [Int] = []
        var last = Array(0...right.count)
        for row in left.indices {
            var current = [row + 1]
            for column in right.indices {
                let replacement = last[column] + (left[row] == right[column] ? 0 : 1)
                var best = min(replacement, last[column + 1] + 1, current[column] + 1)
                if row > 0, column > 0, left[row] == right[column - 1], left[row - 1] == right[column] {
                    best = min(best, beforeLast[column - 1] + 1)
                }
                current.append(best)
            }
            (beforeLast, last) = (last, current)
        }
        return last[right.count]
    }
}
