import ControlAPI
import JSON
import SansIO
import Testing

@Suite struct MessageTests {
    @Test(arguments: Samples.requests)
    func `a request survives the wire`(_ request: Request) throws {
        #expect(request.line.last == UInt8(ascii: "\n"))
        #expect(request.line.filter { $0 == UInt8(ascii: "\n") }.count == 1)
        #expect(try Request(parsing: request.line, limitBytes: Control.requestLimitBytes) == request)
    }

    @Test(arguments: Samples.replies)
    func `a reply survives the wire`(_ reply: Reply) throws {
        #expect(reply.line.filter { $0 == UInt8(ascii: "\n") }.count == 1)
        #expect(try Reply(parsing: reply.line) == reply)
    }

    @Test func `every truncation is refused`() {
        for line in Samples.requests.map(\.line) + Samples.replies.map(\.line) {
            for count in 0..<(line.count - 1) {
                let piece = Array(line.prefix(count))
                #expect(throws: JSONError.self) { try Request(parsing: piece) }
                #expect(throws: JSONError.self) { try Reply(parsing: piece) }
            }
        }
    }

    @Test func `mutated messages are refused or read as messages that survive the wire`() throws {
        var random = SeededRandom(seed: 7)
        var accepted = 0
        for line in Samples.replies.map(\.line) {
            for _ in 0..<300 {
                var mutated = line
                mutated[Int.random(in: 0..<line.count, using: &random)] = UInt8.random(in: 0x20...0x7e, using: &random)
                guard let reply = try? Reply(parsing: mutated) else { continue }  // refused is one of both outcomes
                accepted += 1
                #expect(try Reply(parsing: reply.line) == reply)
            }
        }
        #expect(accepted > 100)
    }

    @Test func `members that a newer program added are skipped`() throws {
        let line = #"{"reply":"done","value":{"later":[1,2]},"also":true}"#
        #expect(try Reply(parsing: Array(line.utf8)) == .done)
    }

    @Test func `a status without services is one of an older daemon`() throws {
        var status = Samples.fullStatus
        status.services = nil
        let line = String(decoding: status.line, as: UTF8.self)
        #expect(!line.contains("services"))
        #expect(try Status(parsing: status.line) == status)
        status.services = ServiceStatus()
        #expect(try Status(parsing: status.line).services?.names == nil)
    }

    @Test func `who defines a service is said in words`() {
        #expect(ServiceSamples.service.sources.map(\.words) == ["manifest shop.yaml on edge-1", "Kubernetes"])
        #expect(ServiceInfo.Source(kind: "commands", node: "edge-2").words == "a command on edge-2")
        #expect(
            ServiceInfo.Source(kind: "containers", node: "edge-2", part: "docker").words
                == "containers' labels on edge-2")
        #expect(ServiceInfo.Source(kind: "later").words == "the mesh")
    }

    @Test(arguments: [
        (#"{"request":"status"}"#, "version is missing"),
        (#"{"version":2,"request":"status"}"#, #"version must be 1, not "2""#),
        (#"{"version":1,"request":"stat"}"#, #"request must be a known request, not "stat""#),
        (#"{"version":1,"request":"ping","target":"a","count":0}"#, #"count must be from 1 to 1000, not "0""#),
        (
            #"{"version":1,"request":"up","advertise":["10.0.0.1/8"]}"#,
            #"advertise[0] must be an address prefix, not "10.0.0.1/8""#
        ),
        (
            #"{"version":1,"request":"serviceAdd","service":{"namespace":"a","name":"b","ports":[{"transport":"TCP","port":70000}]}}"#,
            #"service.ports[0].port must be an integer from 0 to 65535, not "70000""#
        ),
        ("[]", "the document must be an object, not an array"),
    ])
    func `a request is refused with the place of its fault`(_ line: String, _ reason: String) {
        #expect {
            try Request(parsing: Array(line.utf8))
        } throws: {
            "\($0)" == reason
        }
    }

    @Test func `only a pong leaves an exchange open`() {
        for reply in Samples.replies {
            if case .pong = reply { #expect(!reply.isFinal) } else { #expect(reply.isFinal) }
        }
    }

    @Test func `times keep their microseconds`() throws {
        for microseconds: Int64 in [0, 1, 999, 1001, 123_456_789, 86_400_000_001] {
            var pong = Pong(sequence: 1, node: "a", path: .direct)
            pong.roundTripTime = .microseconds(microseconds)
            #expect(try Pong(parsing: pong.line) == pong)
        }
        let negative = #"{"sequence":1,"node":"a","path":{"kind":"none"},"rttMilliseconds":-1}"#
        #expect(throws: JSONError.self) { try Pong(parsing: Array(negative.utf8)) }
    }

    @Test func `failures carry the exit codes of sysexits`() throws {
        #expect(Failure.Code.allCases.map(\.exitCode) == [1, 64, 69, 77, 78])
        let unknown = #"{"code":"invented","message":"m"}"#
        #expect(try Failure(parsing: Array(unknown.utf8)) == Failure(.failed, "m"))
    }

    @Test func `a client's configuration is what wg-quick reads`() {
        #expect(
            Samples.client.configuration == """
                [Interface]
                PrivateKey = cHJpdmF0ZQ==
                Address = 10.130.7.200/32, fd12:3456::c8/128
                MTU = 1408

                [Peer]
                PublicKey = bm9kZQ==
                PresharedKey = cHNr
                Endpoint = [2001:db8::1]:20007
                AllowedIPs = 10.128.0.0/9, fd12:3456::/48
                PersistentKeepalive = 25

                """)
    }
}
