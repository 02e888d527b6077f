import SansIO
import Testing
import Wire

@testable import Containers

/// Protocol Buffers by hand.
private enum Message {
    static func field(_ number: UInt8, _ content: [UInt8]) -> [UInt8] {
        precondition(content.count < 1 << 14)
        return [number << 3 | 2, UInt8(content.count & 0x7f) | 0x80, UInt8(content.count >> 7)] + content
    }

    static func field(_ number: UInt8, _ text: String) -> [UInt8] { field(number, Array(text.utf8)) }

    static func field(_ number: UInt8, _ value: UInt8) -> [UInt8] { [number << 3, value] }

    static func container(_ id: String, labels: [String: String] = [:], isOnHostNetwork: Bool = false) -> [UInt8] {
        let namespaces = isOnHostNetwork ? "" : "{\"type\":\"network\"}"
        let spec = field(1, "type") + field(2, "{\"linux\":{\"namespaces\":[\(namespaces)]}}")
        let entries = labels.sorted { $0.key < $1.key }.flatMap { field(2, field(1, $0.key) + field(2, $0.value)) }
        return field(1, field(1, id) + entries + field(3, "image") + field(5, spec))
    }

    static func task(_ id: String, process: UInt8, status: UInt8 = 2) -> [UInt8] {
        field(1, field(2, id) + field(3, process) + field(4, status))
    }

    static func event(_ topic: String, _ container: String, process: String? = nil) -> [UInt8] {
        let body = field(1, container) + (process.map { field(2, $0) } ?? field(2, 7 as UInt8))
        return field(1, [8, 1]) + field(2, "default") + field(3, topic) + field(4, field(1, "type") + field(2, body))
    }
}

/// A session, and a server that answers call by call. Calls have odd numbers in the order in which they are made.
private struct Conversation {
    var session = ContainerdSession()
    var now = Instant.zero
    var actions: [RuntimeAction] = []
    private var nextCall: UInt8 = 1

    mutating func collect() { actions += session.takeActions().filter { if case .send = $0 { false } else { true } } }

    private static func frame(_ type: UInt8, _ flags: UInt8, _ call: UInt8, _ payload: [UInt8]) -> [UInt8] {
        let count = payload.count
        return [UInt8(count >> 16), UInt8(count >> 8 & 0xff), UInt8(count & 0xff), type, flags, 0, 0, 0, call] + payload
    }

    private static func header(_ name: String, _ value: String) -> [UInt8] {
        [0, UInt8(name.utf8.count)] + Array(name.utf8) + [UInt8(value.utf8.count)] + Array(value.utf8)
    }

    mutating func receive(_ bytes: [UInt8]) {
        session.received(bytes, on: .requests, at: now)
        collect()
    }

    /// One message of a call that goes on.
    mutating func tell(_ message: [UInt8], on call: UInt8 = 1, isFirst: Bool = false) {
        let prefix = [0, 0, 0, UInt8(message.count >> 8), UInt8(message.count & 0xff)]
        receive((isFirst ? Self.frame(1, 4, call, [0x88]) : []) + Self.frame(0, 0, call, prefix + message))
    }

    /// The answer to a call, with its end.
    mutating func answer(_ call: UInt8, _ message: [UInt8], status: String = "0") {
        tell(message, on: call, isFirst: true)
        receive(Self.frame(1, 5, call, Self.header("grpc-status", status) + Self.header("grpc-message", "because")))
    }

    /// Connects; `nextCall` is the first one after events (1).
    mutating func connect() {
        session.start()
        collect()
        session.opened(.requests, at: now)
        collect()
        receive(Self.frame(4, 0, 0, []))
        receive(Self.frame(1, 4, 1, [0x88]))
    }

    /// Connects and lists the namespace "default": calls 3 (namespaces), 5 (containers) and 7 (tasks).
    mutating func begin(_ containers: [UInt8], _ tasks: [UInt8]) {
        connect()
        answer(3, Message.field(1, Message.field(1, "default")) + Message.field(1, Message.field(1, "k8s.io")))
        answer(5, containers)
        answer(7, tasks)
    }

    var phases: [String: LocalContainer.Phase] {
        Dictionary(session.containers.map { ($0.id, $0.phase) }) { $1 }
    }
}

@Suite struct ContainerdSessionTests {
    private let eth0 = [LocalContainer.Network(name: "interface 2", addresses: [.v4(IPv4Address(10, 4, 0, 2))])]

    @Test func `containers and their processes are listed together, and addresses are asked of the shell`() {
        var talk = Conversation()
        talk.begin(
            Message.container("a", labels: ["nerdctl/name": "web", "kubemesh.service": "web"])
                + Message.container("b", isOnHostNetwork: true) + Message.container("c"),
            Message.task("a", process: 40) + Message.task("b", process: 41, status: 4))
        #expect(talk.actions == [.open(.requests), .readAddresses(container: "default/a", process: 40)])
        #expect(talk.session.link == .up)
        #expect(talk.session.revision == 1)
        talk.session.addresses(eth0, of: "default/a", process: 40, at: talk.now)
        #expect(talk.session.revision == 2)
        #expect(talk.phases == ["default/a": .ready, "default/b": .unready, "default/c": .stopped])
        let web = talk.session.containers.first { $0.id == "default/a" }
        #expect(web?.name == "web")
        #expect(web?.labels["kubemesh.service"] == "web")
        #expect(web?.networks == eth0)
        #expect(talk.session.containers.first { $0.id == "default/b" }?.isOnHostNetwork == true)
    }

    @Test func `the end of a container's own process is seen before anybody is asked, that of another is not`() {
        var talk = Conversation()
        talk.begin(Message.container("a"), Message.task("a", process: 40))
        talk.tell(Message.event("/tasks/exit", "a", process: "probe-1"))
        #expect(talk.phases == ["default/a": .ready])
        talk.tell(Message.event("/tasks/exit", "a", process: "a"))
        #expect(talk.phases == ["default/a": .stopped])
        // The list was asked anew, and what happens meanwhile has it asked once more.
        talk.tell(Message.event("/tasks/start", "a"))
        talk.answer(9, Message.container("a"))
        talk.answer(11, Message.task("a", process: 40))
        #expect(talk.phases == ["default/a": .stopped], "this answer is older than what happened")
        talk.answer(13, Message.container("a"))
        talk.answer(15, Message.task("a", process: 50))
        #expect(talk.phases == ["default/a": .ready])
        #expect(talk.actions.last == .readAddresses(container: "default/a", process: 50))
    }

    @Test func `an address that is not there yet is asked for again`() {
        var talk = Conversation()
        talk.begin(Message.container("a"), Message.task("a", process: 40))
        talk.actions = []
        talk.session.addresses([], of: "default/a", process: 40, at: talk.now)
        #expect(talk.session.nextDeadline == Instant.zero + ContainerdSession.addressRetry)
        talk.now = .zero + ContainerdSession.addressRetry
        talk.session.advance(to: talk.now)
        talk.collect()
        #expect(talk.actions == [.readAddresses(container: "default/a", process: 40)])
        // An answer for a process that is not the container's any more counts for nothing.
        talk.session.addresses(eth0, of: "default/a", process: 39, at: talk.now)
        #expect(talk.session.containers.first?.networks == [])
        var attempts = 1
        talk.session.addresses([], of: "default/a", process: 40, at: talk.now)
        while let deadline = talk.session.nextDeadline, deadline < .zero + .seconds(60), attempts < 100 {
            talk.now = deadline
            talk.session.advance(to: deadline)
            talk.actions = []
            talk.collect()
            guard talk.actions.contains(.readAddresses(container: "default/a", process: 40)) else { break }
            attempts += 1
            talk.session.addresses([], of: "default/a", process: 40, at: talk.now)
        }
        #expect(attempts < 100, "it is given up at last")
    }

    @Test func `a daemon that goes away takes nothing with it`() {
        var talk = Conversation()
        talk.begin(Message.container("a"), Message.task("a", process: 40))
        talk.session.addresses(eth0, of: "default/a", process: 40, at: talk.now)
        talk.session.closed(.requests, "it closed the connection", at: talk.now)
        #expect(talk.session.link == .down("it closed the connection"))
        #expect(talk.phases == ["default/a": .ready])
        talk.actions = []
        talk.begin(Message.container("a"), Message.task("a", process: 40))
        #expect(talk.session.link == .up)
        #expect(talk.session.containers.first?.networks == eth0)
        #expect(talk.session.revision == 2)
    }

    @Test func `refusals and nonsense end the conversation, not what is known`() {
        for trouble in 0..<4 {
            var talk = Conversation()
            talk.begin(Message.container("a"), Message.task("a", process: 40))
            talk.tell(Message.event("/tasks/start", "a"))
            switch trouble {
            case 0: talk.answer(9, [], status: "13")
            case 1: talk.receive(Array("HTTP/1.1 400 Bad Request\r\n\r\n".utf8))
            case 2: talk.answer(9, [0x0a, 0x7f, 1])
            default:
                talk.now = .zero + ContainerdSession.answerTimeout
                talk.session.advance(to: talk.now)
                talk.collect()
            }
            guard case .down(let reason) = talk.session.link else {
                Issue.record("trouble \(trouble) went unnoticed")
                continue
            }
            if trouble == 0 { #expect(reason == "it refused: because") }
            #expect(talk.actions.last == .close(.requests))
            #expect(talk.phases == ["default/a": .ready])
        }
    }

    @Test func `damaged messages never trap`() throws {
        var random = SeededRandom(seed: 5)
        let whole =
            Message.container("a", labels: ["k": "v"]) + Message.task("a", process: 40)
            + Message.event("/tasks/exit", "a", process: "a")
        for length in 0..<whole.count { readAll(whole.prefix(length)) }
        for _ in 0..<5_000 {
            var damaged = whole
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                damaged[Int.random(in: 0..<damaged.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            readAll(damaged[...])
            var talk = Conversation()
            talk.connect()
            talk.receive(damaged)
        }
    }

    /// Whether a reader refuses is not asked here; that it returns is.
    private func readAll(_ bytes: ArraySlice<UInt8>) {
        _ = try? ContainerdContainer.list(parsing: bytes)
        _ = try? ContainerdTask.list(parsing: bytes)
        _ = try? ContainerdEvent(parsing: bytes)
        _ = try? ContainerdNamespaces.names(parsing: bytes)
    }
}

@Suite struct ProtobufTests {
    @Test func `fields of every type are read, and unknown ones passed over`() throws {
        // From the encoding's own guide: field 1 is 150, field 2 the text "testing".
        let bytes: [UInt8] =
            [0x08, 0x96, 0x01, 0x12, 0x07, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6e, 0x67]
            + [0x1d, 1, 0, 0, 0, 0x21, 2, 0, 0, 0, 0, 0, 0, 0]
        var reader = ProtobufReader(bytes[...])
        var fields: [UInt64: ProtobufReader.Value] = [:]
        while let (field, value) = try reader.next() { fields[field] = value }
        #expect(fields[1]?.number == 150)
        #expect(fields[2]?.text == "testing")
        #expect(fields[3]?.number == 1)
        #expect(fields[4]?.number == 2)
    }

    @Test func `what is written is read back`() throws {
        var writer = ProtobufWriter()
        let long = String(repeating: "x", count: 300)
        writer.put(20, text: long)
        var reader = ProtobufReader(writer.bytes[...])
        let field = try #require(try reader.next())
        #expect(field.field == 20)
        #expect(field.value.text == long)
        #expect(try reader.next() == nil)
    }

    @Test(arguments: [
        [0x08], [0x08, 0xff], [0x12, 5, 1], [0x0b], [0x00, 0x01], [0x1d, 1, 2],
        [0x08] + [UInt8](repeating: 0xff, count: 10), [0x12] + [UInt8](repeating: 0xff, count: 9) + [1],
    ])
    func `what is cut short is refused`(bytes: [UInt8]) {
        var reader = ProtobufReader(bytes[...])
        #expect(throws: RuntimeFailure.self) { while try reader.next() != nil {} }
    }
}
