import Glibc
import Services
import Wire

/// How a frontend's backends share its slots. A connection takes one slot, so a backend's share is its count of slots.
enum ServiceSlots {
    /// Slots of a frontend that hashes its clients: so many that a change of their number, which would move every client,
    /// is as rare as a service that grows past `manyBackends`.
    static let hashedCount = 512
    static let hashedCountOfMany = 4096
    static let manyBackends = 128
    /// Weights are met as well as this many slots, or four for each backend, allow.
    static let weightedCount = 256

    /// The slots' targets in order. Those of `old` that can stay where they are do, so that little is to be changed.
    static func arrange(
        _ backends: [ServicePlan.Backend], by choice: ServicePlan.Choice, keeping old: [ServiceTarget]
    ) -> [ServiceTarget] {
        let backends = merged(backends)
        guard !backends.isEmpty else { return [] }
        switch choice {
        case .random: return filled(counts(backends), keeping: old)
        case .roundRobin:
            let isWeighted = Set(backends.map(\.weight)).count > 1
            return isWeighted ? interleaved(counts(backends)) : filled(counts(backends), keeping: old)
        case .sourceHash: return hashed(backends)
        }
    }

    /// An endpoint that is there twice has the weight of one: the larger.
    private static func merged(_ backends: [ServicePlan.Backend]) -> [ServicePlan.Backend] {
        func isRising(_ index: Int) -> Bool {
            let (one, next) = (backends[index - 1], backends[index])
            return (one.address, one.port) < (next.address, next.port)
        }
        if backends.indices.dropFirst().allSatisfy(isRising) { return backends }
        var merged: [ServicePlan.Backend] = []
        for backend in backends.sorted() {
            if let last = merged.last, last.address == backend.address, last.port == backend.port {
                merged[merged.count - 1] = backend
            } else {
                merged.append(backend)
            }
        }
        return merged
    }

    /// How many slots each backend has, in lowest terms.
    static func counts(_ backends: [ServicePlan.Backend]) -> [(target: ServiceTarget, count: Int)] {
        let weights = backends.map { max(Int($0.weight), 1) }
        let divisor = weights.reduce(0, greatestCommonDivisor)
        let total = weights.reduce(0, +)
        let limit = max(weightedCount, 4 * backends.count)
        return zip(backends, weights).map { backend, weight in
            let count = total / divisor <= limit ? weight / divisor : max((weight * limit + total / 2) / total, 1)
            return (ServiceTarget(backend.address, backend.port), count)
        }
    }

    private static func greatestCommonDivisor(_ a: Int, _ b: Int) -> Int {
        b == 0 ? a : greatestCommonDivisor(b, a % b)
    }

    /// Every slot whose target may stay does; the others, and what lies past the end, are filled up.
    private static func filled(
        _ counts: [(target: ServiceTarget, count: Int)], keeping old: [ServiceTarget]
    ) -> [ServiceTarget] {
        if old.isEmpty { return counts.flatMap { Array(repeating: $0.target, count: $0.count) } }
        var missing: [ServiceTarget: Int] = [:]
        for (target, count) in counts { missing[target] = count }
        let total = counts.reduce(0) { $0 + $1.count }
        var slots: [ServiceTarget?] = []
        slots.reserveCapacity(total)
        for target in old.prefix(total) {
            let left = missing[target] ?? 0
            slots.append(left > 0 ? target : nil)
            if left > 0 { missing[target] = left - 1 }
        }
        slots += Array(repeating: nil, count: total - slots.count)
        var rest = counts.flatMap { Array(repeating: $0.target, count: missing[$0.target] ?? 0) }[...]
        return slots.compactMap { $0 ?? rest.popFirst() }
    }

    /// Smooth weighted round robin, as in nginx: each turn everybody gains their weight, the richest is served and pays.
    private static func interleaved(_ counts: [(target: ServiceTarget, count: Int)]) -> [ServiceTarget] {
        let total = counts.reduce(0) { $0 + $1.count }
        var credit = [Int](repeating: 0, count: counts.count)
        return (0..<total).map { _ in
            var best = 0
            for index in counts.indices {
                credit[index] += counts[index].count
                if credit[index] > credit[best] { best = index }
            }
            credit[best] -= total
            return counts[best].target
        }
    }

    /// Rendezvous hashing (Thaler and Ravishankar, 1998): a slot belongs to the backend with the highest score in it, so one
    /// that goes gives up its own slots, one that comes takes only those that it wins, and all others stay.
    private static func hashed(_ backends: [ServicePlan.Backend]) -> [ServiceTarget] {
        let targets = backends.map { ServiceTarget($0.address, $0.port) }
        let seeds = targets.map(\.digest)
        let isWeighted = Set(backends.map(\.weight)).count > 1
        let count = backends.count > manyBackends ? hashedCountOfMany : hashedCount
        return (0..<count).map { slot in
            var best = 0
            var bestScore = -Double.infinity
            for index in targets.indices {
                let draw = mixed(seeds[index] ^ mixed(UInt64(slot)))
                // Larger than 0 and at most 1; the logarithm makes a share proportional to its weight.
                let unit = Double(draw >> 11 &+ 1) / Double(1 << 53)
                let score = isWeighted ? log(unit) / Double(max(backends[index].weight, 1)) : unit
                if score > bestScore { (best, bestScore) = (index, score) }
            }
            return targets[best]
        }
    }

    /// The finalizer of SplitMix64.
    fileprivate static func mixed(_ value: UInt64) -> UInt64 {
        var value = value &+ 0x9e37_79b9_7f4a_7c15
        value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
        return value ^ value >> 31
    }
}

extension ServiceTarget {
    /// The same in every process and on every node, unlike `hashValue`.
    fileprivate var digest: UInt64 {
        bytes.reduce(0xcbf2_9ce4_8422_2325) { ServiceSlots.mixed($0 ^ UInt64($1)) }
    }
}
