import SansIO
import Testing
import Wire

@testable import Containers

/// A session and a daemon that answers as the test says.
private struct Conversation {
    var session = DockerSession()
    var now = Instant.zero
    /// The paths of requests that were sent since the last look.
    var asked: [String] = []
    var opened: [RuntimeChannel] = []
    var closed: [RuntimeChannel] = []

    mutating func collect() {
        for action in session.takeActions() {
            switch action {
            case .open(let channel): opened.append(channel)
            case .close(let channel): closed.append(channel)
            case .send(_, let bytes):
                let words = String(decoding: bytes, as: UTF8.self).split(separator: " ")
                asked.append(String(words[1]))
            case .readAddresses: Issue.record("Docker tells addresses")
            }
        }
    }

    mutating func answer(_ body: String, status: Int = 200, on channel: RuntimeChannel = .requests) {
        let text = "HTTP/1.1 \(status) x\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
        session.received(Array(text.utf8), on: channel, at: now)
        collect()
    }

    mutating func event(_ action: String, _ id: String, attributes: String = "") {
        let line =
            "{\"Type\":\"container\",\"Action\":\"\(action)\",\"Actor\":{\"ID\":\"\(id)\",\"Attributes\":{\(attributes)}}}\n"
        session.received(Array("\(String(line.utf8.count, radix: 16))\r\n\(line)\r\n".utf8), on: .events, at: now)
        collect()
    }

    static func inspection(_ id: String, running: Bool = true, health: String? = nil, more: String = "") -> String {
        let health = health.map { ",\"Health\":{\"Status\":\"\($0)\"}" } ?? ""
        return """
            {"Id":"\(id)","Name":"/name-\(id)","State":{"Running":\(running),"Paused":false,"Restarting":false\(health)},
             "Config":{"Labels":{"kubemesh.service":"web"},"StopSignal":"SIGQUIT","StopTimeout":3},
             "HostConfig":{"NetworkMode":"default"\(more)},
             "NetworkSettings":{"Networks":{"bridge":{"IPAddress":"\(running ? "172.17.0.2" : "")","GlobalIPv6Address":""}}}}
            """
    }

    /// Connects, and lists containers, all running.
    mutating func begin(_ ids: String...) {
        session.start()
        collect()
        session.opened(.events, at: now)
        collect()
        session.received(Array("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".utf8), on: .events, at: now)
        collect()
        session.opened(.requests, at: now)
        collect()
        answer("[" + ids.map { "{\"Id\":\"\($0)\"}" }.joined(separator: ",") + "]")
        for id in ids { answer(Self.inspection(id)) }
        asked = []
        opened = []
    }

    var phases: [String: LocalContainer.Phase] {
        Dictionary(session.containers.map { ($0.id, $0.phase) }) { $1 }
    }
}

@Suite struct DockerSessionTests {
    @Test func `events are listened to before anything is listed, and containers count once all are known`() {
        var talk = Conversation()
        talk.session.start()
        talk.collect()
        #expect(talk.opened == [.events])
        talk.session.opened(.events, at: talk.now)
        talk.collect()
        #expect(talk.asked.map { $0.hasPrefix("/events?filters=%7B") } == [true])
        talk.session.received(
            Array("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".utf8), on: .events, at: talk.now)
        talk.collect()
        #expect(talk.opened == [.events, .requests])
        talk.session.opened(.requests, at: talk.now)
        talk.collect()
        #expect(talk.asked.last == "/containers/json?all=1")
        talk.answer("[{\"Id\":\"a\"},{\"Id\":\"b\"}]")
        #expect(talk.asked.last == "/containers/a/json")
        talk.answer(Conversation.inspection("a"))
        #expect(talk.session.revision == 0)
        #expect(talk.session.link == .connecting)
        talk.answer(Conversation.inspection("b", running: false))
        #expect(talk.session.revision == 1)
        #expect(talk.session.link == .up)
        #expect(talk.phases == ["a": .ready, "b": .stopped])
        #expect(
            talk.session.containers.first { $0.id == "a" }?.networks.first?.addresses == [
                .v4(IPv4Address(172, 17, 0, 2))
            ])
        #expect(talk.session.containers.first { $0.id == "a" }?.name == "name-a")
    }

    @Test func `a container that dies is gone before anybody is asked`() {
        var talk = Conversation()
        talk.begin("a")
        talk.event("die", "a")
        #expect(talk.phases == ["a": .stopped])
        #expect(talk.session.revision == 2)
        #expect(talk.asked == ["/containers/a/json"])
    }

    @Test func `an answer that is older than what happened is not believed`() {
        var talk = Conversation()
        talk.begin("a")
        talk.event("health_status: healthy", "a")
        talk.event("die", "a")
        talk.answer(Conversation.inspection("a", health: "healthy"))
        #expect(talk.phases == ["a": .stopped])
        #expect(talk.asked == ["/containers/a/json", "/containers/a/json"])
        talk.answer(Conversation.inspection("a", running: false))
        #expect(talk.phases == ["a": .stopped])
    }

    @Test(arguments: [
        ("starting", LocalContainer.Phase.unready), ("unhealthy", .unready), ("healthy", .ready), ("none", .ready),
    ])
    func `health decides whether a running container is ready`(health: String, phase: LocalContainer.Phase) {
        var talk = Conversation()
        talk.begin("a")
        talk.event("health_status: \(health)", "a")
        talk.answer(Conversation.inspection("a", health: health))
        #expect(talk.phases == ["a": phase])
    }

    @Test func `the stop signal makes a container terminate, another signal does not`() {
        var talk = Conversation()
        talk.begin("a")
        talk.event("kill", "a", attributes: "\"signal\":\"1\"")
        #expect(talk.phases == ["a": .ready])
        talk.event("kill", "a", attributes: "\"signal\":\"3\"")
        #expect(talk.phases == ["a": .terminating])
        #expect(talk.session.nextDeadline == .zero + .seconds(8))
        // It took no notice: after its time it serves again.
        talk.now = .zero + .seconds(8)
        talk.session.advance(to: talk.now)
        talk.collect()
        talk.answer(Conversation.inspection("a"))
        #expect(talk.phases == ["a": .ready])
    }

    @Test func `a container that is removed is forgotten, and so is one that nobody knows`() {
        var talk = Conversation()
        talk.begin("a", "b")
        talk.event("destroy", "a")
        #expect(talk.phases == ["b": .ready])
        talk.event("update", "b")
        talk.answer("{\"message\":\"No such container\"}", status: 404)
        #expect(talk.phases == [:])
    }

    @Test func `a container in another's network has that one's addresses`() {
        var talk = Conversation()
        talk.begin("a")
        talk.event("start", "b")
        let inspection = Conversation.inspection("b").replacing("\"default\"", with: "\"container:a\"")
            .replacing("172.17.0.2", with: "")
        talk.answer(inspection)
        #expect(
            talk.session.containers.first { $0.id == "b" }?.networks.first?.addresses == [
                .v4(IPv4Address(172, 17, 0, 2))
            ])
    }

    @Test func `a daemon that goes away takes nothing with it, and is asked for everything when it is back`() {
        var talk = Conversation()
        talk.begin("a", "b")
        talk.session.closed(.events, "it closed the connection", at: talk.now)
        talk.collect()
        #expect(talk.closed == [.requests])
        #expect(talk.session.link == .down("it closed the connection"))
        #expect(talk.phases == ["a": .ready, "b": .ready])

        // Pauses between attempts grow.
        var pauses: [Duration] = []
        for _ in 0..<9 {
            guard let deadline = talk.session.nextDeadline else { break }
            pauses.append(deadline - talk.now)
            talk.now = deadline
            talk.session.advance(to: talk.now)
            talk.collect()
            talk.session.closed(.events, "refused", at: talk.now)
        }
        #expect(pauses.first == .milliseconds(250))
        #expect(pauses.last == .seconds(30))

        talk.begin("b", "c")
        #expect(talk.phases == ["b": .ready, "c": .ready])
        #expect(talk.session.link == .up)
    }

    @Test func `what is asked on a connection that the daemon closed while idle is asked on a new one`() {
        var talk = Conversation()
        talk.begin("a")
        talk.session.closed(.requests, "it closed the connection", at: talk.now)
        #expect(talk.session.link == .up)
        talk.event("update", "a")
        #expect(talk.opened == [.requests])
        talk.session.opened(.requests, at: talk.now)
        talk.collect()
        #expect(talk.asked == ["/containers/a/json"])
    }

    @Test func `silence, nonsense and floods end the conversation, not what is known`() {
        for trouble in 0..<4 {
            var talk = Conversation()
            talk.begin("a")
            talk.event("update", "a")
            switch trouble {
            case 0:
                talk.now = .zero + .seconds(30)
                talk.session.advance(to: talk.now)
            case 1: talk.answer("no JSON")
            case 2:
                talk.session.received(
                    Array("HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n".utf8), on: .requests, at: talk.now)
                let block = [UInt8](repeating: 32, count: 1 << 20)
                for _ in 0...(DockerSession.bodyLimit >> 20) {
                    talk.session.received(block, on: .requests, at: talk.now)
                }
            default:
                talk.session.received(Array("200001\r\n".utf8), on: .events, at: talk.now)
                talk.session.received([UInt8](repeating: 65, count: 0x200000), on: .events, at: talk.now)
            }
            talk.collect()
            guard case .down(let reason) = talk.session.link else {
                Issue.record("trouble \(trouble) went unnoticed")
                continue
            }
            #expect(!reason.isEmpty)
            #expect(talk.phases == ["a": .ready])
            #expect(Set(talk.closed) == [.events, .requests])
        }
    }

    @Test func `everything is listed again from time to time`() {
        var talk = Conversation()
        talk.begin("a")
        talk.now = .zero + DockerSession.listingPeriod
        talk.session.advance(to: talk.now)
        talk.collect()
        #expect(talk.asked == ["/containers/json?all=1"])
    }
}
