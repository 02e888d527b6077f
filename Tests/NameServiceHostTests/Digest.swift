import Lab

/// What dig says to a question, reduced to what two servers must agree on.
struct Digest: Equatable {
    var status = ""
    var answers: Set<String> = []

    /// Puts many questions with one process; the answers come in their order.
    static func ask(_ questions: [String], port: UInt16) throws -> [Digest] {
        let path = "/tmp/kubemesh-dns-\(port).batch"
        try Files.write(questions.map { $0 + "\n" }.joined(), to: path)
        let output = try Command(
            [
                "dig", "@127.0.0.1", "-p", "\(port)", "+tries=2", "+timeout=5", "+norecurse", "+noall", "+comments",
                "+answer", "-f", path,
            ]
        ).run(within: .seconds(60))
        var digests: [Digest] = []
        for line in output.split(separator: "\n") {
            if let range = line.firstRange(of: "status: ") {
                digests.append(Digest(status: String(line[range.upperBound...].prefix { $0 != "," })))
            } else if !line.hasPrefix(";"), !digests.isEmpty {
                // Without the TTL.
                let fields = line.split(whereSeparator: \.isWhitespace)
                digests[digests.count - 1].answers.insert(
                    (fields.prefix(1) + fields.dropFirst(2)).joined(separator: " "))
            }
        }
        return digests
    }
}
