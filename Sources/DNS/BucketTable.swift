/// Something with a place in a `BucketTable`.
protocol Hashed: Sendable {
    var tableHash: UInt64 { get }
}

/// A hash table in small pieces, so that a copy shares what it does not change: a snapshot costs nothing to take, and the
/// next change copies the list of buckets and one bucket.
struct BucketTable<Element: Hashed>: Sendable {
    private static var smallest: Int { 64 }
    /// The bound on what one change after a snapshot copies.
    private static var largest: Int { 8192 }
    private static var load: Int { 4 }

    private var buckets: [[Element]] = Array(repeating: [], count: smallest)
    private(set) var count = 0

    @inline(__always)
    func bucket(of hash: UInt64) -> [Element] { buckets[index(of: hash)] }

    mutating func insert(_ element: Element) {
        if count >= Self.load * buckets.count, buckets.count < Self.largest { grow() }
        buckets[index(of: element.tableHash)].append(element)
        count += 1
    }

    /// Takes away the elements of this hash that match; returns whether there were any.
    @discardableResult
    mutating func remove(_ hash: UInt64, where matches: (Element) -> Bool) -> Bool {
        let index = index(of: hash)
        let before = buckets[index].count
        buckets[index].removeAll { $0.tableHash == hash && matches($0) }
        count -= before - buckets[index].count
        return buckets[index].count < before
    }

    @inline(__always)
    private func index(of hash: UInt64) -> Int { Int(truncatingIfNeeded: hash & UInt64(buckets.count - 1)) }

    private mutating func grow() {
        let old = buckets
        buckets = Array(repeating: [], count: old.count * 4)
        for element in old.joined() { buckets[index(of: element.tableHash)].append(element) }
    }
}
