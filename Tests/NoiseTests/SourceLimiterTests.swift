import SansIO
import Testing
import Wire

@testable import Noise

@Suite struct SourceLimiterTests {
    private func address(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

    private func admitted(_ limiter: inout SourceLimiter, _ source: IPAddress, of count: Int, at now: Instant) -> Int {
        (0..<count).filter { _ in limiter.admit(source, at: now) }.count
    }

    @Test func `a burst of five, then twenty a second`() throws {
        var limiter = SourceLimiter(at: .zero)
        let source = try address("192.0.2.1")
        #expect(admitted(&limiter, source, of: 10, at: .zero) == 5)
        var later = 0
        for step in 1...3000 where limiter.admit(source, at: .zero + .milliseconds(step)) { later += 1 }
        #expect(later == 60)
        #expect(admitted(&limiter, try address("192.0.2.2"), of: 10, at: .zero + .seconds(3)) == 5)
    }

    @Test func `an IPv6 source is its whole /64`() throws {
        var limiter = SourceLimiter(at: .zero)
        #expect(admitted(&limiter, try address("2001:db8::1"), of: 5, at: .zero) == 5)
        #expect(admitted(&limiter, try address("2001:db8::ffff"), of: 5, at: .zero) == 0)
        #expect(admitted(&limiter, try address("2001:db8:0:1::1"), of: 5, at: .zero) == 5)
        #expect(admitted(&limiter, try address("192.0.2.9"), of: 5, at: .zero) == 5)
        #expect(admitted(&limiter, try address("::ffff:192.0.2.9"), of: 5, at: .zero) == 0)
    }

    @Test func `a full table takes no new source until the next second, and serves those it knows`() throws {
        var limiter = SourceLimiter(sourceLimit: 10, at: .zero)
        let sources = (0..<20).map { IPAddress.v4(IPv4Address(10, 0, 0, UInt8($0))) }
        let firstRound = sources.map { limiter.admit($0, at: .zero) }
        #expect(firstRound == sources.indices.map { $0 < 10 })
        let known = limiter.admit(sources[3], at: .zero + .milliseconds(500))
        let afterwards = limiter.admit(sources[15], at: .zero + .milliseconds(1001))
        #expect(known)
        #expect(afterwards)
    }

    @Test func `a source does not gain tokens when the generations turn`() throws {
        var limiter = SourceLimiter(at: .zero)
        let source = try address("192.0.2.1")
        _ = admitted(&limiter, source, of: 100, at: .zero + .milliseconds(999))
        #expect(admitted(&limiter, source, of: 100, at: .zero + .milliseconds(1001)) == 0)
        #expect(admitted(&limiter, source, of: 100, at: .zero + .seconds(60)) == 5)
    }
}
