import ControlAPI
import Lab
import Testing
import Wire

/// How two nodes behind NATs come to reach each other, and what flows between them live through.
///
/// How long it takes is measured by scripts/lab; here it is that it happens.
@Suite(.serialized, .enabled(if: Requirement.isMet, needsRoot))
struct PathsTests {
    @Test(
        arguments: [
            (Router.Kind.portRestricted, Router.Kind.portRestricted), (.symmetric, .addressRestricted),
            // Routers that give away the port at which a stranger has knocked; and a search among all ports.
            (.masquerade, .masquerade), (.symmetric, .portRestricted),
        ])
    func `two nodes behind NATs that can be punched find a direct path`(left: Router.Kind, right: Router.Kind) throws {
        try Lab.withDuo(.apart(Access(left), Access(right))) { lab, duo in
            let recording = try duo.measure { _ in try duo.waitForDirectPath() }
            // Also the data goes directly, not only what proves the path.
            #expect(recording.timeToFirstProbe(fasterThan: Duo.fasterThanRelayed) != nil)
            try lab.core.count(from: duo.left.uplink, to: duo.right.uplink)
            #expect(try duo.left.host.canPing(try duo.right.address()))
            #expect(try lab.core.flow(from: duo.left.uplink, to: duo.right.uplink).packets > 0)
        }
    }

    @Test func `a flow lives through the silent death of its relay`() throws {
        try Lab.withDuo(.apart(Access(.symmetric), Access(.symmetric)), relays: 2) { _, duo in
            let processes = try duo.relays.map { try $0.node.processID() }
            let recording = try duo.measureFlow { meter in
                let path = try duo.path()
                let victim = try #require(duo.relays.firstIndex { path == .relay(via: $0.name) }, "\(path)")
                try duo.relays[victim].node.vanish(process: processes[victim])
                try meter.waitForAnswers(400, within: .seconds(40))
                #expect(try duo.path() == .relay(via: duo.relays[1 - victim].name))
            }
            try recording.expectWholeFlow()
        }
    }

    @Test func `a flow lives through a direct path that is cut silently`() throws {
        try Lab.withDuo(.apart(Access(.portRestricted), Access(.portRestricted))) { lab, duo in
            let recording = try duo.measureFlow { meter in
                try duo.waitForDirectPath()
                try lab.core.cut(duo.left.uplink, from: duo.right.uplink)
                try meter.waitForAnswers(400, within: .seconds(40))
                #expect(try duo.path() == .relay(via: duo.relays[0].name))
            }
            try recording.expectWholeFlow()
        }
    }

    @Test(arguments: [true, false])
    func `a flow lives through a NAT that forgets or changes its address, and is direct again`(isNewAddress: Bool)
        throws
    {
        try Lab.withDuo(.apart(Access(.portRestricted), Access(.portRestricted))) { _, duo in
            let recording = try duo.measureFlow { meter in
                try duo.waitForDirectPath()
                if isNewAddress {
                    try duo.left.routers[0].changeAddress()
                } else {
                    try duo.left.routers[0].rebind()
                }
                try meter.waitForAnswers(400, within: .seconds(40))
                let outer = duo.left.routers[0].wan.address
                try wait(for: "a direct path to where the NAT is now", within: .seconds(40)) { () throws(LabError) in
                    let left = try duo.right.node.peers().first { $0.name == "left" }
                    return left?.path == .direct && left?.endpoint?.address == outer
                }
            }
            try recording.expectWholeFlow()
        }
    }

    @Test func `a flow lives through an interface that was down, and an agent that was suspended`() throws {
        try Lab.withDuo(.apart(Access(.portRestricted), Access(.portRestricted))) { _, duo in
            let recording = try duo.measureFlow { meter in
                try duo.waitForDirectPath()
                let link = duo.left.host.uplink
                try link.takeDown()
                try duo.left.host.bringUp(link)
                try meter.waitForAnswers(400, within: .seconds(40))

                let process = try duo.left.node.processID()
                duo.left.node.suspend(process: process)
                // For as long as it takes the other end to notice.
                try wait(for: "the other end to leave the path", within: .seconds(40)) { () throws(LabError) in
                    try duo.right.node.peers().first { $0.name == "left" }?.path != .direct
                }
                duo.left.node.resume(process: process)
                try meter.waitForAnswers(400, within: .seconds(40))
                try duo.waitForDirectPath()
            }
            try recording.expectWholeFlow()
        }
    }
}

extension Duo {
    fileprivate func waitForDirectPath() throws(LabError) {
        try wait(for: "a direct path", within: .seconds(40)) { () throws(LabError) in try path() == .direct }
    }

    /// Lets probes flow while `body` runs.
    fileprivate func measure(_ body: (Meter) throws -> Void) throws -> Recording {
        let meter = try meter()
        try meter.waitForAnswers(100)
        try body(meter)
        try meter.waitForAnswers(100)
        return try meter.stop()
    }

    /// Lets probes and a TCP connection flow while `body` runs, and goes on until the connection does.
    fileprivate func measureFlow(_ body: (Meter) throws -> Void) throws -> Recording {
        #expect(try left.host.canPing(try right.address(), within: 10))
        let meter = try meter(streamBytes: 400)
        try meter.waitForAnswers(100)
        try body(meter)
        try meter.waitForStream()
        return try meter.stop()
    }
}

extension Recording {
    /// The TCP connection is open at both ends, and what arrived is what was sent.
    fileprivate func expectWholeFlow() throws {
        for (one, other) in [(ends[0], ends[1]), (ends[1], ends[0])] {
            let flow = try #require(one.flow)
            let otherFlow = try #require(other.flow)
            #expect(flow.isOpen)
            #expect(flow.wrongBytes == 0)
            // All but what was written in the last second.
            let rest = 400 * Int(Duration.seconds(1) / interval)
            #expect(flow.receivedBytes + rest >= otherFlow.sentBytes)
        }
        let lost = count(.lost, in: begin..<lastSent)
        let sent = ends.map(\.probes.count).reduce(0, +)
        print("\(lost) of \(sent) probes lost, TCP stalled \(longestStall(ofStreamAt: 0, in: begin..<lastSent))")
    }
}
