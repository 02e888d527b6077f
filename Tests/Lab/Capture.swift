import Glibc

/// What passes an interface, written to a file by tcpdump from the moment `init` returns.
package final class Capture {
    /// The capture in pcap format.
    package let path: String
    private let program: Program

    /// - Parameter filter: in tcpdump's words; empty takes everything.
    package init(in place: some Place, interface: String, filter: String = "") throws(LabError) {
        path = "\(place.run.folder)/\(place.label)-\(interface).pcap"
        program = try Program(
            place.entry + [
                "tcpdump", "--immediate-mode", "-U", "-Z", "root", "-s", "0", "-n", "-i", interface, "-w", path, filter,
            ], logPath: "\(place.run.folder)/\(place.label)-\(interface)-tcpdump.log")
        try program.waitForLog("listening on")
    }

    /// Ends the capture and returns its bytes, record headers and all.
    package func stop() -> [UInt8] {
        program.stop(with: SIGINT)
        return Files.bytes(of: path) ?? []
    }
}

extension [UInt8] {
    /// Whether `needle` stands somewhere in these bytes.
    package func contains(bytes needle: [UInt8]) -> Bool {
        guard let first = needle.first, count >= needle.count else { return false }
        return (0...count - needle.count).contains { start in
            self[start] == first && self[start..<start + needle.count].elementsEqual(needle)
        }
    }
}
