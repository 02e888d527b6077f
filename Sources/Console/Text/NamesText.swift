import ControlAPI
import Wire

/// What `meshctl dns` prints.
struct NamesText {
    let style: Style

    func lines(_ answer: NameAnswer) -> [String] {
        let question = answer.question
        let isGood = answer.code == "NOERROR" && !answer.answers.isEmpty
        let code = answer.code == "NOERROR" && answer.answers.isEmpty ? "NOERROR, but no such record" : answer.code
        let client = question.client.map { " for \($0)" } ?? ""
        var lines = [
            "\(style(.bold, question.name)) \(style(.plain, question.type))\(client): "
                + "\(style(isGood ? .good : .bad, code)) \(origin(answer.origin)) in \(Units.milliseconds(answer.duration))"
        ]
        if let error = answer.extendedError { lines.append("  \(style(.doubtful, "!")) \(style(.plain, error))") }
        if !answer.answers.isEmpty { lines += [""] + table(answer.answers) }
        if !answer.authorities.isEmpty {
            lines += ["", style(.dim, "by the authority of")] + table(answer.authorities)
        }
        return lines
    }

    func lines(_ cache: NameCache) -> [String] {
        if cache.isCleared {
            return [cache.total == 1 ? "One answer is forgotten." : "\(cache.total) answers are forgotten."]
        }
        guard !cache.entries.isEmpty else { return ["Nothing is remembered."] }
        var table = Table(columns: [
            .init("NAME"), .init("TYPE"), .init("ANSWER"), .init("LEFT", isNumeric: true),
            .init("HITS", isNumeric: true),
        ])
        for entry in cache.entries {
            let data = entry.records.map(\.data).joined(separator: ", ")
            let isGood = entry.code == "NOERROR"
            table.rows.append([
                .init(entry.name), .init(entry.type),
                .init(isGood ? (data.isEmpty ? "no such record" : data) : entry.code, isGood ? .plain : .doubtful),
                entry.secondsLeft < 0 ? .init("stale", .doubtful) : .init(Units.age(.seconds(entry.secondsLeft))),
                .init(Units.grouped(entry.hitCount)),
            ])
        }
        let hidden = cache.total - cache.entries.count
        return table.lines(style) + (hidden > 0 ? ["", "and \(Units.grouped(UInt64(hidden))) more"] : [])
    }

    private func origin(_ origin: String) -> String {
        switch origin {
        case "zone": "from this node's own names"
        case "cache": "from what this node remembers"
        case "upstream": "from another server"
        default: "from \(style(.plain, origin))"
        }
    }

    private func table(_ records: [NameRecord]) -> [String] {
        let name = records.map(\.name.count).max() ?? 0
        let ttl = records.map { "\($0.ttlSeconds)".count }.max() ?? 0
        let type = records.map(\.type.count).max() ?? 0
        return records.map { record in
            let seconds = "\(record.ttlSeconds)"
            let nameSpace = String(repeating: " ", count: name - record.name.count + 2 + ttl - seconds.count)
            let typeSpace = String(repeating: " ", count: type - record.type.count + 2)
            return "  \(style(.plain, record.name))\(nameSpace)\(seconds)  \(style(.plain, record.type))\(typeSpace)"
                + style(.plain, record.data)
        }
    }
}
