import Lab
import Wire

/// Counts what a host sends to and receives from KubeMesh's port, by WireGuard's message types (paper §5.4).
struct MessageCounts {
    enum Kind: String, CaseIterable {
        case initiation
        /// An initiation that shows a cookie: its mac2, the last 16 of its 148 bytes, is not zero.
        case initiationWithCookie
        case response
        case cookieReply
        case transport

        /// In nft's words; the message begins 64 bits into the UDP header.
        fileprivate var match: String {
            switch self {
            case .initiation: "@th,64,32 0x01000000"
            case .initiationWithCookie: "@th,64,32 0x01000000 @th,1120,128 != 0"
            case .response: "@th,64,32 0x02000000"
            case .cookieReply: "@th,64,32 0x03000000"
            case .transport: "@th,64,32 0x04000000"
            }
        }
    }

    private let host: Host

    /// Counts from now on.
    init(on host: Host, port: UInt16 = 20007) throws(LabError) {
        self.host = host
        func lines(_ direction: String, _ field: String) -> (counters: String, rules: String) {
            let counters = Kind.allCases.map { "counter \(direction)-\($0) { }" }
            let rules = Kind.allCases.map { "udp \(field) \(port) \($0.match) counter name \"\(direction)-\($0)\"" }
            return (counters.joined(separator: "\n"), rules.joined(separator: "\n"))
        }
        let (sent, received) = (lines("sent", "dport"), lines("received", "sport"))
        try host.loadRules(
            """
            table inet messages {
                \(sent.counters)
                \(received.counters)
                chain output {
                    type filter hook output priority 0;
                    \(sent.rules)
                }
                chain input {
                    type filter hook input priority 0;
                    \(received.rules)
                }
            }
            """)
    }

    func sent(_ kind: Kind) throws(LabError) -> Int { try count("sent-\(kind)") }
    func received(_ kind: Kind) throws(LabError) -> Int { try count("received-\(kind)") }

    private func count(_ name: String) throws(LabError) -> Int {
        let words = try host.run("nft", "list", "counter", "inet", "messages", name).split { $0.isWhitespace }
        guard let label = words.firstIndex(of: "packets"), let count = Int(words[label + 1]) else {
            throw LabError.unexpected("no count in \(words)")
        }
        return count
    }
}
