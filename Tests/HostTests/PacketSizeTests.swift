import Lab
import Testing
import Wire

@Suite(.serialized, .enabled(if: Requirement.isMet, needsRoot))
struct PacketSizeTests {
    /// What an IP packet inside the mesh may have, by default.
    private static let mtuBytes = 1408

    @Test func `a packet that just fits passes, one byte more is answered with the size that fits`() throws {
        try Lab.withMesh { _, trio in
            let container = trio.beta.containers[0]
            for (address, headerBytes) in [(try trio.gamma.address(), 28), (try trio.gamma.address6(), 48)] {
                let fits = ["ping", "-n", "-c", "1", "-W", "3", "-M", "do", "-s", "\(Self.mtuBytes - headerBytes)"]
                try Command(container.entry + fits + ["\(address)"]).run()
                let exceeds = [
                    "ping", "-n", "-c", "1", "-W", "3", "-M", "do", "-s", "\(Self.mtuBytes - headerBytes + 1)",
                ]
                let result = try Command(container.entry + exceeds + ["\(address)"]).result(within: .seconds(10))
                #expect(!result.succeeded)
                #expect((result.output + result.errors).contains("\(Self.mtuBytes)"), "\(result)")
            }
        }
    }

    @Test func `a datagram longer than any packet arrives, in fragments`() throws {
        try Lab.withMesh { _, trio in
            let result = try trio.beta.containers[0].result(
                of: "ping", "-n", "-c", "1", "-W", "3", "-s", "4000", "\(try trio.gamma.address())")
            #expect(result.succeeded, "\(result.output)")
        }
    }

    @Test func `TCP is told a segment size that fits the tunnel`() throws {
        try Lab.withMesh { _, trio in
            let receiver = trio.gamma.containers[0]
            _ = try receiver.serveHTTP("page")
            let watcher = try receiver.start(
                "tcpdump", "--immediate-mode", "-l", "-n", "-i", "eth0", "tcp[tcpflags] & tcp-syn != 0", log: "syn")
            try watcher.waitForLog("listening on")
            #expect(try trio.beta.containers[0].fetch(try trio.gamma.address()) == "page\n")
            try watcher.waitForLog("mss ")
            let sizes = watcher.log.matches(of: #/mss (\d+)/#).compactMap { Int($0.1) }
            // The first is that of the SYN that crossed the mesh; the answer leaves with the container's own.
            #expect(try #require(sizes.first) <= Self.mtuBytes - 40)
        }
    }
}
