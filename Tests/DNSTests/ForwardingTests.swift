import SansIO
import Services
import Testing
import Wire

@testable import DNS

@Suite struct ForwardingTests {
    @Test func `a foreign name is asked upstream once, then answered from the cache with less time left`() throws {
        var upstreams = try Upstreams()
        let (token, answer) = try upstreams.ask("Www.Example.com")
        #expect(answer == nil)
        try upstreams.reply(to: try upstreams.takeOne(), "192.0.2.80", ttl: 100)
        let first = try #require(upstreams.late[token])
        #expect(first.answers.map(\.description) == ["Www.Example.com. 100 IN A 192.0.2.80"])
        #expect(first.flags.offersRecursion && !first.flags.isAuthoritative && first.id == 0x1234)
        upstreams.pass(.seconds(30))
        let second = try #require(try upstreams.ask("www.EXAMPLE.com").answer)
        #expect(second.answers.map(\.description) == ["www.EXAMPLE.com. 70 IN A 192.0.2.80"])
        #expect(upstreams.asked.isEmpty && upstreams.resolver.counters.cached == 1)
    }

    @Test func `equal questions that wait are one question upstream`() throws {
        var upstreams = try Upstreams()
        let tokens = try (0..<5).map { _ in try upstreams.ask("www.example.com").token }
        _ = try upstreams.ask("www.example.com", .aaaa)
        #expect(upstreams.asked.count == 2)
        try upstreams.reply(to: upstreams.asked[0], "192.0.2.80")
        #expect(tokens.allSatisfy { upstreams.late[$0]?.answers.count == 1 })
        #expect(upstreams.resolver.counters.forwarded == 2 && upstreams.resolver.counters.joined == 4)
    }

    @Test func `identifiers and case are drawn for every question`() throws {
        var upstreams = try Upstreams()
        var ids: Set<UInt16> = []
        var names: Set<[UInt8]> = []
        for number in 0..<50 {
            _ = try upstreams.ask("aaaaaaaaaaaaaaaaaaaaaaaaaaaa\(number).example.com")
            let asked = try upstreams.takeOne()
            ids.insert(asked.message.id)
            names.insert(Array(try #require(asked.question).name.wire.prefix(28)))
            try upstreams.reply(to: asked, .nameError)
        }
        #expect(ids.count > 48 && names.count == 50)
    }

    @Test func `an answer with another identifier, question or no question changes nothing`() throws {
        var upstreams = try Upstreams()
        let token = try upstreams.ask("www.example.com").token
        let asked = try upstreams.takeOne()
        let name = try #require(asked.question?.name)
        let lie = [ResourceRecord(name, address: .v4(IPv4Address(6, 6, 6, 6)), ttl: 300)]
        let lies: [(inout Message) -> Void] = [
            { $0.id ^= 1 }, { $0.question?.type = .aaaa }, { $0.question = nil }, { $0.flags.rawValue &= 0x7fff },
            { $0.question?.name = DomainName("www.example.org") ?? .root }, { $0.question?.questionClass = 3 },
        ]
        for change in lies {
            try upstreams.reply(to: asked) {
                $0.answers = lie
                change(&$0)
            }
        }
        #expect(upstreams.late.isEmpty && upstreams.resolver.counters.strays == 6)
        try upstreams.reply(to: asked, "192.0.2.80")
        #expect(upstreams.late[token]?.answers.map(\.data.description) == ["192.0.2.80"])
    }

    @Test func `an answer that does not keep the case is proved over TCP, and the server is known from then on`() throws
    {
        var upstreams = try Upstreams()
        let token = try upstreams.ask("www.example.com").token
        let asked = try upstreams.takeOne()
        #expect(asked.question?.name.wire != DomainName("www.example.com")?.wire)
        func fold(_ message: inout Message) {
            if let question = message.question { message.question?.name = question.name.lowercased }
            message.answers = [
                ResourceRecord(message.question?.name ?? .root, address: .v4(IPv4Address(192, 0, 2, 80)), ttl: 300)
            ]
        }
        try upstreams.reply(to: asked, change: fold)
        #expect(upstreams.late.isEmpty && upstreams.closed.contains(asked.exchange))
        let again = try upstreams.takeOne()
        #expect(again.isStream)
        try upstreams.reply(to: again, change: fold)
        #expect(upstreams.late[token]?.answers.count == 1)
        _ = try upstreams.ask("www.example.net")
        let next = try upstreams.takeOne()
        #expect(!next.isStream && next.question?.name.wire == DomainName("www.example.net")?.wire)
    }

    @Test func `an answer that was cut is asked for over TCP`() throws {
        var upstreams = try Upstreams()
        let token = try upstreams.ask("www.example.com").token
        try upstreams.reply(to: try upstreams.takeOne()) { $0.flags.rawValue |= MessageFlags.truncated }
        let again = try upstreams.takeOne()
        #expect(again.isStream)
        try upstreams.reply(to: again, "192.0.2.80")
        #expect(upstreams.late[token]?.answers.count == 1)
    }

    @Test func `a server that does not know EDNS is asked without`() throws {
        var upstreams = try Upstreams()
        let token = try upstreams.ask("www.example.com").token
        let asked = try upstreams.takeOne()
        #expect(asked.message.edns?.payloadBytes == 1232)
        try upstreams.reply(to: asked, .formatError)
        let again = try upstreams.takeOne()
        #expect(again.message.edns == nil)
        try upstreams.reply(to: again, "192.0.2.80")
        #expect(upstreams.late[token]?.answers.count == 1)
    }

    @Test func `a server that does not answer or fails is followed by the next`() throws {
        var upstreams = try Upstreams(3)
        let token = try upstreams.ask("www.example.com").token
        let first = try upstreams.takeOne()
        upstreams.pass(.milliseconds(450))
        let second = try upstreams.takeOne()
        #expect(second.server != first.server && second.message.id != first.message.id)
        try upstreams.reply(to: second, .serverFailure)
        let third = try upstreams.takeOne()
        #expect(third.server != second.server && third.server != first.server)
        try upstreams.reply(to: third, "192.0.2.80")
        #expect(upstreams.late[token]?.answers.count == 1)
    }

    @Test func `when nobody answers the client hears it in time, and nobody is asked again at once`() throws {
        var upstreams = try Upstreams(2)
        let token = try upstreams.ask("www.example.com").token
        upstreams.pass(.seconds(5))
        #expect(upstreams.late[token]?.responseCode == .serverFailure)
        #expect(upstreams.late[token]?.edns?.options == [EDNS.Option(code: 15, value: [0, 22])])
        upstreams.asked = []
        #expect(try upstreams.ask("www.example.com").answer?.responseCode == .serverFailure)
        #expect(upstreams.asked.isEmpty)
        upstreams.pass(.seconds(6))
        #expect(try upstreams.ask("www.example.com").answer == nil)
    }

    @Test func `a server that is down is found by probes, and used again when it answers`() throws {
        var upstreams = try Upstreams(2, answersProbes: false)
        let probes = upstreams.asked.filter(\.isProbe)
        #expect(probes.count == 2)
        try upstreams.reply(to: try #require(probes.first { $0.server == Upstreams.servers[1] })) {
            $0.flags.rawValue |= 3
        }
        upstreams.asked = []
        upstreams.pass(.seconds(4))
        #expect(upstreams.resolver.upstreams.map(\.isDown) == [true, false])
        upstreams.asked = []
        _ = try upstreams.ask("www.example.com")
        #expect(try upstreams.takeOne().server == Upstreams.servers[1])
        upstreams.asked = []
        var probe: Upstreams.Asked?
        while probe == nil, upstreams.now < .zero + .seconds(60) {
            upstreams.pass(.milliseconds(100))
            probe = upstreams.asked.first { $0.isProbe && $0.server == Upstreams.servers[0] }
        }
        try upstreams.reply(to: try #require(probe)) { $0.flags.rawValue |= 5 }
        #expect(upstreams.resolver.upstreams[0].isDown == false)
    }

    @Test func `a name in a domain of its own goes to that domain's servers`() throws {
        var upstreams = try Upstreams(1) { settings in
            settings.forwarding.routes += [
                .init(DomainName("corp.example") ?? .root, servers: [Upstreams.servers[1]]),
                .init(DomainName("lab.corp.example") ?? .root, servers: [Upstreams.servers[2]]),
            ]
        }
        for (name, server) in [("a.example", 0), ("CORP.example", 1), ("x.corp.example", 1), ("y.lab.corp.example", 2)]
        {
            _ = try upstreams.ask(name)
            #expect(try upstreams.takeOne().server == Upstreams.servers[server], "\(name)")
        }
    }

    @Test func `the number of questions on their way is bounded`() throws {
        var upstreams = try Upstreams(1) { $0.forwarding.outstandingLimit = 10 }
        for number in 0..<10 { #expect(try upstreams.ask("h\(number).example.com").answer == nil) }
        #expect(try upstreams.ask("more.example.com").answer?.responseCode == .serverFailure)
        #expect(upstreams.resolver.counters.overloaded == 1)
        upstreams.pass(.seconds(10))
        #expect(upstreams.late.count == 10)
        #expect(try upstreams.ask("later.example.com").answer == nil)
    }

    @Test func `a question that leads back to us ends, and so does its upstream`() throws {
        // The upstream hands everything back.
        var upstreams = try Upstreams(1, answersProbes: false)
        let probe = try #require(upstreams.asked.first)
        upstreams.asked = []
        let returned = try upstreams.ask(try #require(probe.question).name.description, .txt)
        #expect(returned.answer?.responseCode == .refused)
        #expect(upstreams.resolver.upstreams[0].leadsBack)
        #expect(try upstreams.ask("www.example.com").answer?.responseCode == .serverFailure)
        #expect(upstreams.asked.isEmpty)
    }

    @Test func `a question that comes back joins itself`() throws {
        var upstreams = try Upstreams()
        let token = try upstreams.ask("www.example.com").token
        let back = try upstreams.ask(try #require(try upstreams.takeOne().question).name.description).token
        #expect(upstreams.asked.isEmpty)
        upstreams.pass(.seconds(5))
        #expect(upstreams.late[token]?.responseCode == .serverFailure && upstreams.late[back] != nil)
        #expect(upstreams.resolver.upstreams[0].queries < 10)
    }

    @Test func `without recursion desired only what is known is told`() throws {
        var upstreams = try Upstreams()
        let refused = try upstreams.ask("www.example.com") { $0.flags.rawValue = 0 }
        #expect(refused.answer?.responseCode == .refused && upstreams.asked.isEmpty)
        _ = try upstreams.ask("www.example.com")
        try upstreams.reply(to: try upstreams.takeOne(), "192.0.2.80")
        #expect(try upstreams.ask("www.example.com") { $0.flags.rawValue = 0 }.answer?.answers.count == 1)
    }

    @Test func `a socket that refuses counts as no answer, at once`() throws {
        var upstreams = try Upstreams(2)
        _ = try upstreams.ask("www.example.com")
        let first = try upstreams.takeOne()
        upstreams.resolver.fail(exchange: first.exchange, at: upstreams.now)
        upstreams.collect()
        #expect(try upstreams.takeOne().server != first.server)
    }

    @Test func `a late answer counts as long as the question is open`() throws {
        var upstreams = try Upstreams(2)
        let token = try upstreams.ask("www.example.com").token
        let first = try upstreams.takeOne()
        upstreams.pass(.milliseconds(450))
        #expect(upstreams.asked.contains { !$0.isProbe && $0.server != first.server })
        try upstreams.reply(to: first, "192.0.2.80")
        #expect(upstreams.late[token]?.answers.count == 1)
        #expect(upstreams.resolver.upstreams.allSatisfy { !$0.isDown })
    }

    @Test func `what one server cannot answer is not asked of it again`() throws {
        var upstreams = try Upstreams(2)
        let token = try upstreams.ask("www.example.com").token
        try upstreams.reply(to: try upstreams.takeOne(), .serverFailure)
        try upstreams.reply(to: try upstreams.takeOne(), .refused)
        #expect(upstreams.asked.isEmpty)
        #expect(upstreams.late[token]?.responseCode == .serverFailure)
    }

    @Test func `a failure of one server does not end the wait for another`() throws {
        var upstreams = try Upstreams(2)
        let token = try upstreams.ask("www.example.com").token
        let first = try upstreams.takeOne()
        upstreams.pass(.milliseconds(450))
        let second = try #require(upstreams.asked.first { !$0.isProbe })
        try upstreams.reply(to: second, .serverFailure)
        #expect(upstreams.late.isEmpty)
        try upstreams.reply(to: first, "192.0.2.80")
        #expect(upstreams.late[token]?.answers.count == 1)
        // And where the other stays silent the client still hears of it.
        let lost = try upstreams.ask("lost.example.com").token
        upstreams.pass(.milliseconds(450))
        for asked in upstreams.asked where asked.question?.name == DomainName("lost.example.com") {
            try upstreams.reply(to: asked, .serverFailure)
        }
        upstreams.pass(.seconds(6))
        #expect(upstreams.late[lost]?.responseCode == .serverFailure)
    }

    @Test func `a server that knows another version of EDNS is asked without`() throws {
        var upstreams = try Upstreams()
        _ = try upstreams.ask("www.example.com")
        try upstreams.reply(to: try upstreams.takeOne()) { message in
            message.edns = EDNS()
            message.edns?.extendedCode = 1
        }
        #expect(try upstreams.takeOne().message.edns == nil)
    }
}
