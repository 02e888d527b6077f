import Glibc
import Lab

/// What the demo prints, for somebody who sees it for the first time.
final class Screen {
    static let picture = """

                        internet (a namespace that routes)
             198.18.1.2 |         | 198.18.2.2         | 198.18.3.2
                      alpha    NAT "home"           NAT "office"     each lets in only answers
                     c1, c2       |                    |             (port-restricted)
                                beta                 gamma
                               c1, c2               c1, c2

        """

    private static let columnWidth = 66
    private var stepCount = 0

    func step(_ title: String) {
        stepCount += 1
        say("\n\(stepCount). \(title)")
    }

    func say(_ text: String) { Self.write(text) }

    /// Writes a line at once: the reader follows along.
    static func write(_ text: String, to descriptor: Int32 = STDOUT_FILENO) {
        unsafe Array("\(text)\n".utf8).withUnsafeBytes { _ = unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
    }

    /// A line of two columns.
    func row(_ left: String, _ right: String) {
        say(left + String(repeating: " ", count: max(2, Self.columnWidth - left.count)) + right)
    }

    /// Output of a program, set in.
    func quote(_ text: String) {
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) { say("    \(line)") }
    }

    /// The last lines of each node's log, for a demo that failed.
    func logs(of sites: [Site]) {
        for site in sites where !site.node.log.isEmpty {
            say("\nThe end of meshd's log on \(site.name):")
            quote(site.node.log.split(separator: "\n").suffix(15).joined(separator: "\n"))
        }
    }

    func hints(for sites: [Site]) {
        step("Left up, as --keep asked")
        say("A shell in a host, where meshctl (and docker) act on that host:")
        for site in sites { row("  \(site.name)", "sudo \(site.node.host.shellCommand)") }
        say("Containers' mesh addresses are their host's prefix in 'meshctl status' with their own last part.")
        say("End it with: sudo scripts/demo --stop")
    }

    static func figure(_ value: Double) -> String {
        if value >= 100 { return "\(Int(value.rounded()))" }
        let tenths = Int((value * 100).rounded())
        return "\(tenths / 100).\(tenths % 100 < 10 ? "0" : "")\(tenths % 100)"
    }

    static func milliseconds(_ duration: Duration) -> String {
        "\(duration.components.seconds * 1000 + duration.components.attoseconds / 1_000_000_000_000_000) ms"
    }
}
