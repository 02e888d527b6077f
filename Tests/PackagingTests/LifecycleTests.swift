import Lab
import Testing
import Wire

/// Two machines that become a mesh, and what must not interrupt it.
@Suite(.serialized, .enabled(if: Requirement.isMet, Comment(rawValue: Requirement.reason)))
struct LifecycleTests {
    private let package: BuiltPackage

    init() throws { package = try BuiltPackage.current() }

    @Test func `after installing two commands make a mesh in which containers reach each other`() throws {
        try Site.with { site in
            try site.install(package)
            let clock = ContinuousClock()
            let token = try site.createMesh()
            let start = clock.now
            try site.beta.run("meshctl", "up", token)
            let address = try site.alpha.meshAddress(of: site.alphaContainer)
            try site.betaContainer.ping(address)
            let duration = clock.now - start
            print("meshctl up to the first answered container packet: \(duration)")
            #expect(duration <= .seconds(2))
            try site.alphaContainer.ping(site.beta.meshAddress(of: site.betaContainer))
            let threads = "main, control, outbound, inbound, streams, names, sources of services"
            #expect(try site.alpha.daemonStatus("Threads") == "7", "\(threads)")
            try site.alpha.host.ping(site.beta.meshAddress(of: site.betaContainer))
        }
    }

    @Test func `an upgrade under traffic keeps every flow`() throws {
        let newer = try package.packedAgain(into: "newer", version: "99.0")
        try Site.with { site in
            try site.bringUp(package)
            let address = try site.beta.meshAddress(of: site.betaContainer)
            let capture = try Capture(in: site.alpha.host, interface: "eth0")
            let traffic = try Traffic(from: site.alphaContainer, to: site.betaContainer, at: address)
            let processes = try [site.alpha, site.beta].map { try $0.mainProcess() }
            try site.alpha.install(newer, online: false)
            try site.beta.install(newer, online: false)
            let outcome = try traffic.outcome()
            print("upgrade of both ends: longest gap \(outcome.longestGap), \(outcome.answeredCount) pings answered")
            #expect(outcome.isFlowWhole)
            #expect(outcome.longestGap <= .seconds(1))
            #expect(try [site.alpha, site.beta].map { try $0.mainProcess() } != processes, "nothing was restarted")
            #expect(try site.alpha.run("dpkg-query", "-W", "-f", "${Version}", "kubemesh") == "99.0")
            #expect(!capture.stop().contains(bytes: address.bytes), "an inner packet left in clear")
        }
    }

    @Test func `a mesh that was up is up again after a reboot, with no command`() throws {
        try Site.with { site in
            try site.bringUp(package)
            let address = try site.alpha.meshAddress(of: site.alphaContainer)
            try site.alpha.shutDown()
            try site.alpha.boot()
            try wait(for: "an answer from the container behind alpha", within: .seconds(10)) { () throws(LabError) in
                try site.betaContainer.result(of: "ping", "-c", "1", "-W", "1", "\(address)").succeeded
            }
        }
    }
}
