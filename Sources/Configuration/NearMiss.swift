/// Finds the word that somebody probably meant.
enum NearMiss {
    /// The known word with the fewest edits to `word`, if it is close enough to be worth a question.
    static func closest(to word: String, among known: [String]) -> String? {
        let limit = max(1, word.count / 3)
        let ranked = known.map { (edits(from: word, to: $0), $0) }.min { $0 < $1 }
        guard let ranked, ranked.0 <= limit else { return nil }
        return ranked.1
    }

    /// Optimal string alignment distance, letters' case aside: inserted, dropped, changed and swapped neighbours.
    static func edits(from: String, to: String) -> Int {
        let left = Array(from.lowercased())
        let right = Array(to.lowercased())
        var beforePrevious: [Int] = []
        var previous = Array(0...right.count)
        for row in 0..<left.count {
            var current = [row + 1]
            for column in 0..<right.count {
                var best = min(previous[column + 1], current[column]) + 1
                best = min(best, previous[column] + (left[row] == right[column] ? 0 : 1))
                if row > 0, column > 0, left[row] == right[column - 1], left[row - 1] == right[column] {
                    best = min(best, beforePrevious[column - 1] + 1)
                }
                current.append(best)
            }
            (beforePrevious, previous) = (previous, current)
        }
        return previous[right.count]
    }
}
