import SansIO
import Testing
import Wire

@testable import Mesh

/// A plan with its links, driven second by second.
private struct Driver {
    var plan = StreamPlan()
    var now = Instant.zero + .seconds(100)
    var situation: StreamPlan.Situation
    var opened: [StreamPlan.Target] = []
    var closed: [UInt32] = []
    private var last: UInt32 = 0

    init(_ targets: [StreamPlan.Target]) {
        situation = StreamPlan.Situation(
            isTrying: true, isAnswered: false, targets: targets, proven: [], used: [])
    }

    mutating func update() {
        var link = last
        let actions = plan.update(situation, at: now) {
            link += 1
            return link
        }
        last = link
        for action in actions {
            switch action {
            case .open(_, let target): opened.append(target)
            case .close(let link): closed.append(link)
            }
        }
    }

    mutating func run(for duration: Duration) {
        let end = now + duration
        while let next = plan.nextDeadline, next <= end {
            now = max(now, next)
            update()
        }
        now = end
    }

    /// Links come to stand, and lead to their relays.
    mutating func succeed(_ links: UInt32...) {
        for link in links {
            plan.opened(link, at: now)
            situation.proven.insert(link)
            situation.used.insert(link)
        }
    }

    mutating func fail(_ link: UInt32) {
        plan.closed(link, at: now)
        situation.proven.remove(link)
        situation.used.remove(link)
    }
}

@Suite struct StreamPlanTests {
    private static func target(_ peer: Int, _ address: String = "198.51.100.1:443") -> StreamPlan.Target {
        StreamPlan.Target(peer: peer, endpoint: Endpoint(address)!)
    }

    private let targets = [target(1), target(2, "198.51.100.2:443"), target(3, "198.51.100.3:443")]

    @Test func `no stream is opened while UDP has not had its time`() {
        var driver = Driver(targets)
        driver.update()
        driver.run(for: .milliseconds(2900))
        #expect(driver.opened.isEmpty && !driver.plan.isUDPSilent)
        driver.run(for: .milliseconds(200))
        #expect(driver.opened == [targets[0]] && driver.plan.isUDPSilent)
    }

    @Test func `where UDP answers no stream is ever opened, and nothing is waited for`() {
        var driver = Driver(targets)
        driver.situation.isAnswered = true
        driver.update()
        #expect(driver.plan.nextDeadline == nil)
        #expect(driver.opened.isEmpty)
    }

    @Test func `a second stream to another relay is opened once the first one stands`() {
        var driver = Driver(targets)
        driver.update()
        driver.run(for: .seconds(3))
        driver.succeed(1)
        driver.run(for: .seconds(2))
        #expect(driver.opened == [targets[0], targets[1]])
        driver.succeed(2)
        driver.run(for: .seconds(120))
        #expect(driver.opened.count == 2 && driver.closed.isEmpty)
    }

    @Test func `a relay that does not answer at once has another beside it after a second`() {
        var driver = Driver(targets)
        driver.update()
        driver.run(for: .milliseconds(4100))
        #expect(driver.opened == [targets[0], targets[1]])
    }

    @Test func `a relay that fails is left alone, longer each time, and others are tried meanwhile`() {
        var driver = Driver([targets[0]])
        driver.update()
        var waits: [Duration] = []
        var last = driver.now
        for link in UInt32(1)...9 {
            while driver.opened.count < Int(link) { driver.run(for: .milliseconds(100)) }
            waits.append(driver.now - last)
            last = driver.now
            driver.fail(link)
        }
        #expect(waits[1] >= .seconds(2) && waits[1] < .seconds(4))
        #expect(zip(waits.dropFirst(), waits.dropFirst(2)).allSatisfy { $0 <= $1 + .seconds(1) })
        #expect(waits[8] >= .seconds(60) && waits[8] < .seconds(63))
    }

    @Test func `a new network is a new chance`() {
        var driver = Driver([targets[0]])
        driver.update()
        driver.run(for: .seconds(3))
        driver.fail(1)
        driver.plan.networkChanged(at: driver.now)
        driver.update()
        #expect(driver.opened.count == 2)
    }

    @Test func `a stream that leads nowhere is given up for another relay`() {
        var driver = Driver(targets)
        driver.update()
        driver.run(for: .seconds(3))
        driver.plan.opened(1, at: driver.now)
        driver.run(for: .seconds(7))
        #expect(driver.closed == [1])
        #expect(driver.opened.prefix(3) == targets[0...2])
    }

    @Test func `when one of two streams dies a third relay takes its place at once`() {
        var driver = Driver(targets)
        driver.update()
        driver.run(for: .seconds(3))
        driver.succeed(1)
        driver.run(for: .seconds(1))
        driver.succeed(2)
        driver.run(for: .seconds(60))
        driver.fail(1)
        driver.update()
        #expect(driver.opened == targets)
    }

    @Test func `when UDP answers, streams stay for the grace time and go once nothing uses them`() {
        var driver = Driver(targets)
        driver.update()
        driver.run(for: .seconds(3))
        driver.succeed(1)
        driver.run(for: .seconds(1))
        driver.succeed(2)
        driver.situation.isAnswered = true
        driver.situation.used = [2]
        driver.update()
        #expect(!driver.plan.isUDPSilent)
        driver.run(for: .seconds(29))
        #expect(driver.closed.isEmpty)
        driver.run(for: .seconds(2))
        #expect(driver.closed == [1])
        driver.run(for: .seconds(60))
        #expect(driver.closed == [1])
        driver.situation.used = []
        driver.run(for: .seconds(2))
        #expect(driver.closed == [1, 2])
        #expect(driver.plan.nextDeadline == nil)
    }

    @Test func `with nobody to talk to there is nothing to try`() {
        var driver = Driver(targets)
        driver.situation.isTrying = false
        driver.update()
        #expect(driver.plan.nextDeadline == nil)
    }
}
