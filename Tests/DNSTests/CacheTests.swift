import SansIO
import Services
import Testing
import Wire

@testable import DNS

@Suite struct CacheTests {
    private func fill(_ upstreams: inout Upstreams, _ name: String = "www.example.com", ttl: UInt32) throws {
        _ = try upstreams.ask(name)
        try upstreams.reply(to: try upstreams.takeOne(), "192.0.2.80", ttl: ttl)
    }

    @Test func `a TTL is bounded, and one of zero is not kept`() throws {
        var upstreams = try Upstreams()
        try fill(&upstreams, ttl: 1_000_000)
        #expect(try upstreams.ask("www.example.com").answer?.answers[0].ttl == 3600)
        try fill(&upstreams, "zero.example.com", ttl: 0)
        #expect(try upstreams.ask("zero.example.com").answer == nil)
        // RFC 2181 §8.
        try upstreams.reply(to: try upstreams.takeOne(), "192.0.2.80", ttl: 0x8000_0000)
        #expect(try upstreams.ask("zero.example.com").answer == nil)
    }

    @Test func `denials are kept as long as their SOA record says, and not without one`() throws {
        var upstreams = try Upstreams()
        for code in [ResponseCode.nameError, .noError] {
            let name = "\(code).example.com"
            _ = try upstreams.ask(name)
            try upstreams.reply(to: try upstreams.takeOne(), code, negativeTTL: 60)
            upstreams.pass(.seconds(59))
            let answer = try #require(try upstreams.ask(name).answer)
            #expect(answer.responseCode == code && answer.authorities.map(\.ttl) == [1])
            upstreams.pass(.seconds(2))
            #expect(try upstreams.ask(name).answer == nil)
            try upstreams.reply(to: try upstreams.takeOne(), code)
            #expect(try upstreams.ask(name).answer == nil)
            try upstreams.reply(to: try upstreams.takeOne(), code, negativeTTL: 100_000)
            #expect(try upstreams.ask(name).answer?.authorities.map(\.ttl) == [900])
        }
    }

    @Test func `a popular answer is asked for anew before it ends`() throws {
        var upstreams = try Upstreams()
        try fill(&upstreams, ttl: 100)
        for _ in 0..<3 { _ = try upstreams.ask("www.example.com") }
        upstreams.pass(.seconds(91))
        #expect(upstreams.asked.filter { !$0.isProbe }.isEmpty)
        #expect(try upstreams.ask("www.example.com").answer?.answers.map(\.ttl) == [9])
        let refresh = try upstreams.takeOne()
        _ = try upstreams.ask("www.example.com")
        #expect(upstreams.asked.isEmpty)
        try upstreams.reply(to: refresh, "192.0.2.81", ttl: 100)
        upstreams.pass(.seconds(20))
        #expect(try upstreams.ask("www.example.com").answer?.answers.map(\.data.description) == ["192.0.2.81"])
        #expect(upstreams.resolver.counters.prefetched == 1)
    }

    @Test func `an answer past its end is given when nobody answers, and no failure replaces it`() throws {
        var upstreams = try Upstreams()
        try fill(&upstreams, ttl: 10)
        upstreams.pass(.seconds(20))
        let token = try upstreams.ask("www.example.com").token
        try upstreams.reply(to: try upstreams.takeOne(), .serverFailure)
        // The same server is asked again, to no better end.
        while let again = upstreams.asked.popLast() { try upstreams.reply(to: again, .serverFailure) }
        let stale = try #require(upstreams.late[token])
        #expect(stale.responseCode == .noError && stale.answers.map(\.ttl) == [30])
        #expect(stale.edns?.options == [EDNS.Option(code: 15, value: [0, 3])])
        // While the failure is remembered the answer comes at once; afterwards a good one takes its place.
        #expect(try upstreams.ask("www.example.com").answer?.answers.count == 1)
        upstreams.pass(.seconds(6))
        _ = try upstreams.ask("www.example.com")
        try upstreams.reply(to: try upstreams.takeOne(), "192.0.2.99", ttl: 50)
        #expect(try upstreams.ask("www.example.com").answer?.answers.map(\.data.description) == ["192.0.2.99"])
    }

    @Test func `a slow upstream does not keep a client waiting for what is known`() throws {
        var upstreams = try Upstreams()
        try fill(&upstreams, ttl: 10)
        upstreams.pass(.seconds(20))
        let token = try upstreams.ask("www.example.com").token
        // The server is there, and has to ask others first.
        upstreams.pass(.milliseconds(500))
        try upstreams.answerProbes()
        upstreams.pass(.milliseconds(400))
        try upstreams.answerProbes()
        upstreams.pass(.milliseconds(800))
        #expect(upstreams.late[token] == nil)
        upstreams.pass(.milliseconds(200))
        #expect(upstreams.late[token]?.answers.count == 1)
        // The question goes on, and its answer counts.
        try upstreams.reply(to: try #require(upstreams.asked.last { !$0.isProbe }), "192.0.2.81")
        #expect(try upstreams.ask("www.example.com").answer?.answers.map(\.data.description) == ["192.0.2.81"])
    }

    @Test func `cut off, what is known is told at once`() throws {
        var upstreams = try Upstreams()
        try fill(&upstreams, ttl: 10)
        _ = try upstreams.ask("other.example.com")
        upstreams.pass(.seconds(20))
        #expect(upstreams.resolver.upstreams[0].isDown)
        #expect(try upstreams.ask("www.example.com").answer?.answers.count == 1)
        #expect(upstreams.resolver.counters.stale == 1)
    }

    @Test func `after a day nothing stale is told`() throws {
        var upstreams = try Upstreams()
        try fill(&upstreams, ttl: 10)
        upstreams.pass(.seconds(86_400 + 11))
        upstreams.asked = []
        let (token, answer) = try upstreams.ask("www.example.com")
        #expect(answer == nil)
        upstreams.pass(.seconds(5))
        #expect(upstreams.late[token]?.responseCode == .serverFailure)
    }

    @Test func `the cache keeps its bounds, and what is used`() throws {
        var upstreams = try Upstreams(1) { $0.cache.entryLimit = 50 }
        for number in 0..<300 {
            try fill(&upstreams, "h\(number).example.com", ttl: 300)
            upstreams.pass(.milliseconds(10))
            #expect(try number == 0 || upstreams.ask("h0.example.com").answer != nil, "\(number)")
        }
        #expect(upstreams.resolver.cachedCount == 50)
        #expect(upstreams.resolver.cachedAnswers(at: upstreams.now).count == 50)
        upstreams.resolver.clearCache()
        #expect(upstreams.resolver.cachedCount == 0)
    }

    @Test func `signed and unsigned answers are kept apart`() throws {
        var upstreams = try Upstreams()
        try fill(&upstreams, ttl: 300)
        #expect(try upstreams.ask("www.example.com") { $0.edns?.wantsSignatures = true }.answer == nil)
        #expect(try upstreams.takeOne().message.edns?.wantsSignatures == true)
    }
}

@Suite struct SearchPathTests {
    private func upstreams(_ change: (inout ResolverSettings) -> Void = { _ in }) throws -> Upstreams {
        var upstreams = try Upstreams(1, change: change)
        var zones = Zones()
        try zones.add("web", in: "shop", at: ["10.96.0.10"], endpoints: [try Zones.endpoint("10.244.0.1")])
        try zones.add("api", in: "other", at: ["10.96.0.11"])
        upstreams.resolver.index = zones.builder.snapshot(serial: 1)
        return upstreams
    }

    private let searched = "www.example.com.shop.svc.cluster.local"

    @Test func `a known client's first question finds what its last one would`() throws {
        var upstreams = try upstreams()
        let token = try upstreams.ask(searched, from: "10.244.0.1").token
        let asked = try upstreams.takeOne()
        #expect(asked.question?.name == DomainName("www.example.com"))
        try upstreams.reply(to: asked, "192.0.2.80")
        let answer = try #require(upstreams.late[token])
        #expect(
            answer.answers.map(\.description) == [
                "\(searched). 5 IN CNAME www.example.com.", "www.example.com. 300 IN A 192.0.2.80",
            ])
        #expect(answer.question?.name == DomainName(searched))
        // From the cache the next time, and in our own zones without anybody.
        #expect(try upstreams.ask(searched, from: "10.244.0.1").answer?.answers.count == 2)
        let near = try #require(try upstreams.ask("api.other.shop.svc.cluster.local", from: "10.244.0.1").answer)
        #expect(near.answers.last?.data.description == "10.96.0.11")
    }

    @Test func `an unknown client, or another's path, is told that there is no such name`() throws {
        var upstreams = try upstreams()
        for client in [nil, "10.244.0.9"] as [String?] {
            #expect(try upstreams.ask(searched, from: client).answer?.responseCode == .nameError)
        }
        #expect(
            try upstreams.ask("www.example.com.other.svc.cluster.local", from: "10.244.0.1").answer?.responseCode
                == .nameError)
        #expect(upstreams.asked.isEmpty)
    }

    @Test func `a name of another family is found without data`() throws {
        var upstreams = try upstreams()
        let token = try upstreams.ask(searched, .aaaa, from: "10.244.0.1").token
        try upstreams.reply(to: try upstreams.takeOne(), .noError, negativeTTL: 60)
        let answer = try #require(upstreams.late[token])
        #expect(
            answer.responseCode == .noError && answer.answers.map(\.type) == [.cname] && answer.authorities.count == 1)
    }

    @Test func `where nothing is found, or nobody knows, our zone's own denial stands`() throws {
        var upstreams = try upstreams { $0.searchDomains = [DomainName("corp.example") ?? .root] }
        let token = try upstreams.ask("nowhere.shop.svc.cluster.local", from: "10.244.0.1").token
        let first = try upstreams.takeOne()
        #expect(first.question?.name == DomainName("nowhere.corp.example"))
        try upstreams.reply(to: first, .nameError, negativeTTL: 60)
        let second = try upstreams.takeOne()
        #expect(second.question?.name == DomainName("nowhere"))
        try upstreams.reply(to: second, .nameError, negativeTTL: 60)
        let answer = try #require(upstreams.late[token])
        #expect(answer.responseCode == .nameError && answer.answers.isEmpty)
        #expect(answer.authorities.map(\.name) == [DomainName("cluster.local")])

        let lost = try upstreams.ask(searched, from: "10.244.0.1").token
        upstreams.pass(.seconds(6))
        #expect(upstreams.late[lost]?.responseCode == .nameError)
    }

    @Test func `an external name's alias is followed upstream, its answer given with it`() throws {
        var upstreams = try Upstreams()
        var zones = Zones()
        try zones.add("far", .externalName("WWW.example.com"))
        upstreams.resolver.index = zones.builder.snapshot(serial: 1)
        let token = try upstreams.ask("far.default.svc.cluster.local").token
        try upstreams.reply(to: try upstreams.takeOne(), "192.0.2.80")
        let answer = try #require(upstreams.late[token])
        #expect(answer.answers.map(\.type) == [.cname, .a] && answer.flags.isAuthoritative)
        #expect(answer.answers[1].data == .a(IPv4Address(192, 0, 2, 80)))
        #expect(try upstreams.ask("far.default.svc.cluster.local").answer?.answers.count == 2)
    }
}
