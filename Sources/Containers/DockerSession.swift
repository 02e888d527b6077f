import JSON
package import SansIO

/// Follows the containers of a Docker daemon, or of one that speaks its API, over its socket.
///
/// ```
///   events    GET /events           what happened, as a stream that never ends
///   requests  GET /containers/json  then /containers/ID/json for each, and again for each that something happened to
/// ```
/// Events are listened to before anything is listed, so that nothing falls between. The daemon away, what is known stays; when it
/// is back everything is listed anew.
package struct DockerSession: RuntimeSession, Sendable {
    private enum Request: Equatable {
        case list
        case inspect(String)
    }

    package static let containerLimit = 2_000
    static let bodyLimit = 8 << 20
    static let eventLimit = 1 << 20
    /// Until an answer is there, and until everything is listed again although nothing was told: a daemon drops events that
    /// it cannot deliver within 100 ms.
    static let answerTimeout: Duration = .seconds(30)
    static let listingPeriod: Duration = .seconds(300)

    package private(set) var link = RuntimeLink.down("")
    /// Grows when `containers` differ; zero until everything has been listed once.
    package private(set) var revision = 0
    /// Containers beyond the limit, which are not followed.
    package private(set) var ignoredCount = 0

    private var inspections: [String: DockerInspection] = [:]
    private var actions: [RuntimeAction] = []
    private var backOff = BackOff()
    private var retryAt: Instant?
    private var listAt: Instant?
    private var answerBy: Instant?
    /// Containers that were told to end, and when they are looked at again.
    private var killed: [String: Instant] = [:]

    private var openChannels: Set<RuntimeChannel> = []
    private var eventReader = HTTPResponseReader()
    private var eventLine: [UInt8] = []
    private var answerReader = HTTPResponseReader()
    private var answer: (status: Int, body: [UInt8]) = (0, [])
    private var waiting: [Request] = []
    private var current: Request?
    /// Something happened to the container that is being inspected: the answer may be older than that.
    private var currentIsStale = false

    package init() {}

    /// Containers as last told, in any order.
    package var containers: [LocalContainer] {
        inspections.values.map { inspection in
            var container = inspection.container
            if let owner = inspection.networkOwner.flatMap({ inspections[$0]?.container }) {
                container.networks = owner.networks
                container.isOnHostNetwork = owner.isOnHostNetwork
            }
            return container
        }
    }

    package var nextDeadline: Instant? {
        ([retryAt, listAt, answerBy].compactMap { $0 } + killed.values).min()
    }

    package mutating func takeActions() -> [RuntimeAction] {
        defer { actions = [] }
        return actions
    }

    /// Connects now: at the start, and when the socket appears.
    package mutating func start() {
        guard case .down = link else { return }
        retryAt = nil
        link = .connecting
        actions.append(.open(.events))
    }

    package mutating func opened(_ channel: RuntimeChannel, at now: Instant) {
        openChannels.insert(channel)
        switch channel {
        case .events:
            eventReader = HTTPResponseReader()
            eventLine = []
            send(DockerEvent.path, on: .events)
            answerBy = now + Self.answerTimeout
        case .requests:
            answerReader = HTTPResponseReader()
            ask(at: now)
        }
    }

    package mutating func received(_ bytes: [UInt8], on channel: RuntimeChannel, at now: Instant) {
        do throws(RuntimeFailure) {
            switch channel {
            case .events: for event in try eventReader.read(bytes) { try take(eventStream: event, at: now) }
            case .requests: for event in try answerReader.read(bytes) { try take(answer: event, at: now) }
            }
        } catch {
            fail(error.text, at: now)
        }
    }

    /// The connection ended, or could not be made.
    package mutating func closed(_ channel: RuntimeChannel, _ reason: String, at now: Instant) {
        openChannels.remove(channel)
        guard channel == .requests, current == nil, waiting.isEmpty else {
            // An answer of unsaid length ends with the connection.
            if channel == .requests, current != nil, answerReader.endsHere() {
                do throws(RuntimeFailure) { try take(answer: .end, at: now) } catch { fail(error.text, at: now) }
                return
            }
            fail(reason, at: now)
            return
        }
    }

    /// Docker tells addresses itself.
    package mutating func addresses(
        _ networks: [LocalContainer.Network], of container: String, process: UInt32, at now: Instant
    ) {}

    package mutating func advance(to now: Instant) {
        if let retryAt, retryAt <= now { start() }
        if let answerBy, answerBy <= now { fail("it did not answer for \(Self.answerTimeout)", at: now) }
        if let listAt, listAt <= now {
            self.listAt = nil
            enqueue(.list, at: now)
        }
        for id in killed.filter({ $0.value <= now }).keys.sorted() {
            // It was told to end and has not, so it goes on serving.
            killed[id] = nil
            enqueue(.inspect(id), at: now)
        }
    }

    private mutating func fail(_ reason: String, at now: Instant) {
        for channel in openChannels.sorted(by: { $0.rawValue < $1.rawValue }) { actions.append(.close(channel)) }
        openChannels = []
        waiting = []
        current = nil
        (listAt, answerBy) = (nil, nil)
        link = .down(reason)
        retryAt = now + backOff.take()
    }

    // MARK: events

    private mutating func take(
        eventStream event: HTTPResponseReader.Event, at now: Instant
    ) throws(RuntimeFailure) {
        switch event {
        case .head(let status):
            guard status == 200 else { throw .refused("status \(status) for its events") }
            answerBy = nil
            enqueue(.list, at: now)
        case .body(let bytes):
            for byte in bytes {
                if byte != UInt8(ascii: "\n") {
                    eventLine.append(byte)
                    continue
                }
                let line = eventLine
                eventLine = []
                guard line.contains(where: { $0 > 32 }) else { continue }
                do throws(JSONError) {
                    if let event = try DockerEvent(parsing: line) { take(event, at: now) }
                } catch {
                    throw .malformed("an event: \(error)")
                }
            }
            guard eventLine.count <= Self.eventLimit else { throw .tooLarge("an event") }
        case .end: throw .refused("it ended its events")
        }
    }

    private mutating func take(_ event: DockerEvent, at now: Instant) {
        let id = event.container
        switch event.action {
        case "die": setPhase(.stopped, of: id)
        case "destroy":
            forget(id)
            return
        case "kill":
            guard let inspection = inspections[id] else { break }
            guard event.signal == inspection.stopSignal || event.signal == DockerInspection.kill else { return }
            if inspection.container.phase != .stopped { setPhase(.terminating, of: id) }
            killed[id] = now + inspection.stopTimeout + .seconds(5)
            if current == .inspect(id) { currentIsStale = true }
            return
        default: break
        }
        if event.action == "start" || event.action == "die" { killed[id] = nil }
        enqueue(.inspect(id), at: now)
    }

    private mutating func setPhase(_ phase: LocalContainer.Phase, of id: String) {
        guard let old = inspections[id]?.container.phase, old != phase else { return }
        inspections[id]?.container.phase = phase
        changed()
    }

    private mutating func forget(_ id: String) {
        waiting.removeAll { $0 == .inspect(id) }
        if current == .inspect(id) { currentIsStale = true }
        killed[id] = nil
        if inspections.removeValue(forKey: id) != nil { changed() }
    }

    private mutating func changed() {
        if revision > 0 { revision += 1 }
    }

    // MARK: requests

    private mutating func enqueue(_ request: Request, at now: Instant) {
        // Whatever is asked while nobody answers is listed when somebody does.
        if case .down = link { return }
        if current == request { currentIsStale = true }
        if !waiting.contains(request) { waiting.append(request) }
        ask(at: now)
    }

    /// Sends the next request, if none is under way.
    private mutating func ask(at now: Instant) {
        guard current == nil, !waiting.isEmpty else { return }
        guard openChannels.contains(.requests) else {
            if answerBy == nil {
                actions.append(.open(.requests))
                answerBy = now + Self.answerTimeout
            }
            return
        }
        let request = waiting.removeFirst()
        current = request
        currentIsStale = false
        answer = (0, [])
        answerBy = now + Self.answerTimeout
        switch request {
        case .list: send("/containers/json?all=1", on: .requests)
        case .inspect(let id): send("/containers/\(id)/json", on: .requests)
        }
    }

    private mutating func send(_ path: String, on channel: RuntimeChannel) {
        let request = "GET \(path) HTTP/1.1\r\nHost: docker\r\nUser-Agent: kubemesh\r\nAccept: application/json\r\n\r\n"
        actions.append(.send(channel, Array(request.utf8)))
    }

    private mutating func take(answer event: HTTPResponseReader.Event, at now: Instant) throws(RuntimeFailure) {
        switch event {
        case .head(let status): answer.status = status
        case .body(let bytes):
            guard answer.body.count + bytes.count <= Self.bodyLimit else { throw .tooLarge("a list or a container") }
            answer.body += bytes
        case .end:
            guard let request = current else { throw .malformed("an answer that nobody asked for") }
            current = nil
            answerBy = nil
            switch request {
            case .list: try takeList(at: now)
            case .inspect(let id): try takeInspection(of: id)
            }
            ask(at: now)
            if current == nil, waiting.isEmpty { settle(at: now) }
        }
    }

    private mutating func takeList(at now: Instant) throws(RuntimeFailure) {
        guard answer.status == 200 else { throw .refused("status \(answer.status) for its list of containers") }
        let ids: [String]
        do { ids = try DockerList.ids(parsing: answer.body) } catch { throw .malformed("its list: \(error)") }
        let kept = ids.prefix(Self.containerLimit)
        ignoredCount = ids.count - kept.count
        let known = Set(kept)
        for id in inspections.keys where !known.contains(id) { forget(id) }
        for id in kept where !waiting.contains(.inspect(id)) { waiting.append(.inspect(id)) }
        listAt = now + Self.listingPeriod
    }

    private mutating func takeInspection(of id: String) throws(RuntimeFailure) {
        // What happened meanwhile is newer; the container stands in the queue again, or is gone.
        guard !currentIsStale else { return }
        guard answer.status == 200 else {
            if answer.status == 404, inspections.removeValue(forKey: id) != nil { changed() }
            return
        }
        var inspection: DockerInspection
        do { inspection = try DockerInspection(parsing: answer.body) } catch {
            throw .malformed("container \(id): \(error)")
        }
        guard inspections[id] != nil || inspections.count < Self.containerLimit else { return }
        if killed[id] != nil, inspection.container.phase != .stopped { inspection.container.phase = .terminating }
        let old = inspections.updateValue(inspection, forKey: id)
        if old?.container != inspection.container || old?.networkOwner != inspection.networkOwner { changed() }
    }

    private mutating func settle(at now: Instant) {
        backOff.reset()
        link = .up
        if revision == 0 { revision = 1 }
    }
}
