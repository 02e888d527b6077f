package import JSON
package import Wire

/// What `dns lookup` asks.
package struct NameQuestion: JSONRepresentable {
    /// Where a name is given that search domains may complete, it is looked up as a client would.
    package var name: String
    /// As zone files write it: "A", "SRV", "TYPE65".
    package var type: String
    /// The client in whose place to ask; this host if absent.
    package var client: IPAddress?

    package init(_ name: String, type: String = "A", client: IPAddress? = nil) {
        self.name = name
        self.type = type
        self.client = client
    }

    package init(json: JSONCursor) throws(JSONError) {
        name = try json.member("name").string()
        type = try json.member("type").string()
        client = try json.optionalMember("client")?.parsed(IPAddress.self, expected: "an address")
    }

    package var json: JSONValue {
        ["name": .string(name), "type": .string(type), "client": client.json]
    }
}

/// A record, each part as a zone file writes it.
package struct NameRecord: JSONRepresentable {
    package var name: String
    package var ttlSeconds: Int
    package var type: String
    package var data: String

    package init(_ name: String, ttlSeconds: Int, _ type: String, _ data: String) {
        self.name = name
        self.ttlSeconds = ttlSeconds
        self.type = type
        self.data = data
    }

    package init(json: JSONCursor) throws(JSONError) {
        name = try json.member("name").string()
        ttlSeconds = try json.member("ttlSeconds").integer()
        type = try json.member("type").string()
        data = try json.member("data").string()
    }

    package var json: JSONValue {
        [
            "name": .string(name), "ttlSeconds": .integer(Int64(ttlSeconds)), "type": .string(type),
            "data": .string(data),
        ]
    }
}

/// What the node's name server answers.
package struct NameAnswer: JSONRepresentable {
    package var question: NameQuestion
    /// "NOERROR", "NXDOMAIN", "SERVFAIL" and so on.
    package var code: String
    /// "zone", "cache" or "upstream".
    package var origin: String
    package var answers: [NameRecord] = []
    package var authorities: [NameRecord] = []
    /// What RFC 8914 says of a failure.
    package var extendedError: String?
    package var duration: Duration

    package init(_ question: NameQuestion, code: String, origin: String, duration: Duration) {
        self.question = question
        self.code = code
        self.origin = origin
        self.duration = duration
    }

    package init(json: JSONCursor) throws(JSONError) {
        question = try NameQuestion(json: json.member("question"))
        code = try json.member("code").string()
        origin = try json.member("origin").string()
        answers = try json.list("answers")
        authorities = try json.list("authorities")
        extendedError = try json.optionalString("extendedError")
        duration = try json.optionalMilliseconds("milliseconds") ?? .zero
    }

    package var json: JSONValue {
        [
            "question": question.json, "code": .string(code), "origin": .string(origin),
            "answers": JSONValue(list: answers), "authorities": JSONValue(list: authorities),
            "extendedError": extendedError.json, "milliseconds": duration.milliseconds,
        ]
    }
}
