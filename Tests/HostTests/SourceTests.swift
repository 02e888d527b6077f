import Lab
import Testing
import Wire

@Suite(.serialized, .enabled(if: Requirement.isMet, needsRoot))
struct SourceTests {
    @Test func `a source that is not certified to its sender reaches no other host`() throws {
        try Lab.withMesh { _, trio in
            let target = try trio.alpha.address()
            let stranger = try #require(IPAddress("10.99.9.9"))
            // An address of another member is no better than one of nobody.
            for forged in [stranger, try trio.gamma.address()] {
                let capture = try Capture(in: trio.alpha.host, interface: "mesh0", filter: "icmp")
                try trio.beta.host.run("ip", "address", "add", "\(forged)/32", "dev", "lo")
                let result = try trio.beta.host.result(
                    of: "ping", "-n", "-c", "2", "-i", "0.2", "-W", "1", "-I", "\(forged)", "\(target)")
                #expect(!result.succeeded)
                try trio.beta.host.run("ip", "address", "delete", "\(forged)/32", "dev", "lo")
                // Sent later, and it does arrive: so the others were dropped and are not just late.
                #expect(try trio.beta.containers[0].canPing(target))
                let seen = capture.stop()
                #expect(seen.contains(bytes: try trio.beta.address().bytes))
                #expect(!seen.contains(bytes: forged.bytes), "\(forged)")
            }
        }
    }
}
