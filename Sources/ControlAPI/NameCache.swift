package import JSON

/// What the node's name server remembers of others' answers.
package struct NameCache: JSONRepresentable {
    package struct Entry: JSONRepresentable {
        package var name: String
        package var type: String
        package var code: String
        /// Below zero where it is stale and kept for want of a better answer.
        package var secondsLeft: Int
        package var hitCount: UInt64
        package var records: [NameRecord]

        package init(
            _ name: String, _ type: String, code: String, secondsLeft: Int, hitCount: UInt64, records: [NameRecord] = []
        ) {
            self.name = name
            self.type = type
            self.code = code
            self.secondsLeft = secondsLeft
            self.hitCount = hitCount
            self.records = records
        }
    }

    package static let limit = 10_000

    /// As many as one answer may hold.
    package var entries: [Entry]
    package var total: Int
    /// Whether they have been thrown away.
    package var isCleared: Bool

    package init(_ entries: [Entry] = [], total: Int? = nil, isCleared: Bool = false) {
        self.entries = entries
        self.total = total ?? entries.count
        self.isCleared = isCleared
    }

    package init(json: JSONCursor) throws(JSONError) {
        entries = try json.list("entries")
        total = try json.member("total").integer()
        isCleared = try json.member("cleared").boolean()
    }

    package var json: JSONValue {
        ["entries": JSONValue(list: entries), "total": .integer(Int64(total)), "cleared": .boolean(isCleared)]
    }
}

extension NameCache.Entry {
    package init(json: JSONCursor) throws(JSONError) {
        name = try json.member("name").string()
        type = try json.member("type").string()
        code = try json.member("code").string()
        secondsLeft = try json.member("secondsLeft").integer()
        hitCount = try json.member("hits").integer(UInt64.self)
        records = try json.list("records")
    }

    package var json: JSONValue {
        [
            "name": .string(name), "type": .string(type), "code": .string(code),
            "secondsLeft": .integer(Int64(secondsLeft)), "hits": JSONValue(count: hitCount),
            "records": JSONValue(list: records),
        ]
    }
}
