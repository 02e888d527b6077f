import SansIO
import Testing

@testable import ServiceSources

@Suite struct DebounceTests {
    @Test func `work is due after a pause`() {
        var debounce = Debounce()
        #expect(debounce.deadline == nil)
        debounce.touch(at: .zero)
        debounce.touch(at: .zero + .milliseconds(30))
        #expect(debounce.deadline == .zero + .milliseconds(80))
        var early = debounce
        #expect(early.takeDue(at: .zero + .milliseconds(79)) == false)
        #expect(debounce.takeDue(at: .zero + .milliseconds(80)) == true)
        #expect(debounce.deadline == nil)
        #expect(debounce.takeDue(at: .zero + .seconds(9)) == false)
    }

    @Test func `events without a pause do not put the work off for ever`() {
        var debounce = Debounce()
        var fired: [Instant] = []
        for millisecond in 0..<2_000 {
            let now = Instant.zero + .milliseconds(millisecond)
            debounce.touch(at: now)
            if debounce.takeDue(at: now) { fired.append(now) }
        }
        #expect(fired == [500, 1_001, 1_502].map { .zero + .milliseconds($0) })
        #expect(debounce.deadline != nil, "what came last is still to be done")
    }
}
