package import SansIO

/// Follows the containers of containerd over its socket: those of every namespace but Kubernetes' and Docker's own.
///
/// Events are subscribed to before anything is listed. One that is about a container has its namespace listed again: one call
/// for its containers, one for its processes. Addresses are asked of the shell, as containerd does not know them.
package struct ContainerdSession: RuntimeSession {
    /// What a call that is under way was for.
    private enum Call: Equatable {
        case events
        case namespaces
        case containers(String)
        case tasks(String)
    }

    /// What is known of one namespace, and what is being asked.
    private struct Namespace {
        var containers: [ContainerdContainer]?
        var tasks: [ContainerdTask]?
        /// Calls under way: both lists are taken together.
        var isAsked = false
        /// Something happened since they were asked for.
        var isStale = false
    }

    package static let containerLimit = 2_000
    static let foreignNamespaces: Set = ["k8s.io", "moby"]
    static let answerTimeout: Duration = .seconds(30)
    static let listingPeriod: Duration = .seconds(300)
    /// The subscription may begin a moment after the first lists were made.
    static let secondListing: Duration = .seconds(1)
    /// A network plugin may give the address after the process has started.
    static let addressRetry: Duration = .milliseconds(500)
    static let addressAttempts = 20

    package private(set) var link = RuntimeLink.down("")
    package private(set) var revision = 0
    package private(set) var ignoredCount = 0

    private var connection: GRPCConnection?
    private var calls: [Int32: Call] = [:]
    private var namespaces: [String: Namespace] = [:]
    private var known: [String: ContainerdEntry] = [:]
    private var actions: [RuntimeAction] = []
    private var backOff = BackOff()
    private var retryAt: Instant?
    private var listAt: Instant?
    private var answerBy: Instant?

    package init() {}

    package var containers: [LocalContainer] { known.map { $1.described(as: $0) } }

    package var nextDeadline: Instant? {
        ([retryAt, listAt, answerBy] + known.values.map(\.askAt)).compactMap { $0 }.min()
    }

    package mutating func takeActions() -> [RuntimeAction] {
        defer { actions = [] }
        return actions
    }

    package mutating func start() {
        guard case .down = link else { return }
        retryAt = nil
        link = .connecting
        actions.append(.open(.requests))
    }

    package mutating func opened(_ channel: RuntimeChannel, at now: Instant) {
        connection = GRPCConnection()
        var filters = ProtobufWriter()
        // Exec probes of Pods and health checks of Docker make events without end.
        filters.put(1, text: Self.foreignNamespaces.sorted().map { "namespace!=\($0)" }.joined(separator: ","))
        begin(.events, "containerd.services.events.v1.Events/Subscribe", filters.bytes)
        listNamespaces(at: now)
        flush()
    }

    package mutating func received(_ bytes: [UInt8], on channel: RuntimeChannel, at now: Instant) {
        guard let connection else { return }
        do throws(RuntimeFailure) {
            try connection.receive(bytes)
            for event in connection.takeEvents() { try take(event, at: now) }
            flush()
            guard !connection.isOver else { throw .refused("it ended the connection, or spoke no HTTP/2") }
        } catch {
            fail(error.text, at: now)
        }
    }

    package mutating func closed(_ channel: RuntimeChannel, _ reason: String, at now: Instant) {
        connection = nil
        fail(reason, at: now)
    }

    /// The addresses in a container's network namespace, none where they could not be read.
    package mutating func addresses(
        _ networks: [LocalContainer.Network], of key: String, process: UInt32, at now: Instant
    ) {
        guard var entry = known[key], entry.task?.process == process else { return }
        entry.askAt = nil
        if networks.isEmpty {
            entry.attempts += 1
            if entry.attempts < Self.addressAttempts { entry.askAt = now + Self.addressRetry }
        } else {
            entry.addressed = process
            entry.attempts = 0
        }
        if entry.networks != networks {
            entry.networks = networks
            changed()
        }
        known[key] = entry
        settleIfDone()
    }

    package mutating func advance(to now: Instant) {
        if let retryAt, retryAt <= now { start() }
        if let answerBy, answerBy <= now { fail("it did not answer for \(Self.answerTimeout)", at: now) }
        if let listAt, listAt <= now { listNamespaces(at: now) }
        for (key, entry) in known.sorted(by: { $0.key < $1.key }) where entry.askAt.map({ $0 <= now }) ?? false {
            known[key]?.askAt = nil
            askForAddresses(of: key)
        }
        flush()
    }

    private mutating func fail(_ reason: String, at now: Instant) {
        if connection != nil { actions.append(.close(.requests)) }
        connection = nil
        calls = [:]
        for name in namespaces.keys { namespaces[name] = Namespace() }
        (listAt, answerBy) = (nil, nil)
        link = .down(reason)
        retryAt = now + backOff.take()
    }

    private mutating func flush() {
        guard let output = connection?.takeOutput(), !output.isEmpty else { return }
        actions.append(.send(.requests, output))
    }

    private mutating func changed() {
        if revision > 0 { revision += 1 }
    }

    // MARK: calls

    private mutating func begin(_ call: Call, _ method: String, _ message: [UInt8] = [], namespace: String? = nil) {
        guard let number = connection?.call("/" + method, namespace: namespace, message) else { return }
        calls[number] = call
    }

    private mutating func listNamespaces(at now: Instant) {
        listAt = nil
        guard connection != nil, !calls.values.contains(.namespaces) else { return }
        begin(.namespaces, "containerd.services.namespaces.v1.Namespaces/List")
        answerBy = now + Self.answerTimeout
    }

    private mutating func list(_ namespace: String, at now: Instant) {
        guard namespaces[namespace]?.isAsked != true else {
            namespaces[namespace]?.isStale = true
            return
        }
        namespaces[namespace] = Namespace(isAsked: true)
        begin(.containers(namespace), "containerd.services.containers.v1.Containers/List", namespace: namespace)
        begin(.tasks(namespace), "containerd.services.tasks.v1.Tasks/List", namespace: namespace)
        answerBy = now + Self.answerTimeout
    }

    private mutating func take(_ event: GRPCConnection.Event, at now: Instant) throws(RuntimeFailure) {
        switch event {
        case .message(let number, let message):
            switch calls[number] {
            case .events: try take(ContainerdEvent(parsing: message[...]), at: now)
            case .namespaces: try takeNamespaces(message[...], at: now)
            case .containers(let name):
                namespaces[name]?.containers = try ContainerdContainer.list(parsing: message[...])
            case .tasks(let name): namespaces[name]?.tasks = try ContainerdTask.list(parsing: message[...])
            case nil: break
            }
        case .ended(let number, let status, let text):
            let call = calls.removeValue(forKey: number)
            guard status == 0, call != .events else { throw .refused(text.isEmpty ? "gRPC status \(status)" : text) }
            if calls.allSatisfy({ $0.value == .events }) { answerBy = nil }
            switch call {
            case .containers(let name), .tasks(let name): finish(name, at: now)
            default: settleIfDone()
            }
        }
    }

    private mutating func takeNamespaces(_ message: ArraySlice<UInt8>, at now: Instant) throws(RuntimeFailure) {
        let names = Set(try ContainerdNamespaces.names(parsing: message)).subtracting(Self.foreignNamespaces)
        for name in namespaces.keys.sorted() where !names.contains(name) {
            namespaces[name] = nil
            replace(name, with: [:])
        }
        for name in names.sorted() { list(name, at: now) }
        listAt = now + (revision == 0 ? Self.secondListing : Self.listingPeriod)
    }

    private mutating func take(_ event: ContainerdEvent, at now: Instant) {
        guard !Self.foreignNamespaces.contains(event.namespace) else { return }
        switch event.topic {
        case "/tasks/exit":
            guard event.container == event.process else { return }
            let key = "\(event.namespace)/\(event.container)"
            if known[key]?.task != nil {
                known[key]?.task?.status = .stopped
                changed()
            }
            list(event.namespace, at: now)
        case "/tasks/start", "/tasks/paused", "/tasks/resumed", "/tasks/delete", "/containers/create",
            "/containers/update", "/containers/delete":
            list(event.namespace, at: now)
        case "/namespaces/delete": listNamespaces(at: now)
        default: break
        }
    }

    /// Takes both lists of a namespace together, once both are there.
    private mutating func finish(_ name: String, at now: Instant) {
        guard let namespace = namespaces[name],
            !calls.values.contains(.containers(name)), !calls.values.contains(.tasks(name))
        else { return }
        guard !namespace.isStale else {
            namespaces[name] = Namespace()
            list(name, at: now)
            return
        }
        namespaces[name] = Namespace()
        var tasks: [String: ContainerdTask] = [:]
        for task in namespace.tasks ?? [] { tasks[task.container] = task }
        var listed: [String: ContainerdEntry] = [:]
        for container in namespace.containers ?? [] {
            listed["\(name)/\(container.id)"] = ContainerdEntry(container: container, task: tasks[container.id])
        }
        replace(name, with: listed)
        settleIfDone()
    }

    private mutating func replace(_ namespace: String, with listed: [String: ContainerdEntry]) {
        let old = known
        for key in known.keys where key.hasPrefix(namespace + "/") && listed[key] == nil { known[key] = nil }
        ignoredCount = 0
        for (key, entry) in listed.sorted(by: { $0.key < $1.key }) {
            var entry = entry
            if let before = known[key], before.task?.process == entry.task?.process {
                entry.addressed = before.addressed
                entry.networks = before.networks
                entry.attempts = before.attempts
                entry.askAt = before.askAt
            }
            guard known[key] != nil || known.count < Self.containerLimit else {
                ignoredCount += 1
                continue
            }
            known[key] = entry
            askForAddresses(of: key)
        }
        if known != old { changed() }
    }

    private mutating func askForAddresses(of key: String) {
        guard let entry = known[key], let task = entry.task, task.process != 0, entry.addressed != task.process,
            !entry.container.isOnHostNetwork, entry.askAt == nil, entry.attempts < Self.addressAttempts
        else { return }
        actions.append(.readAddresses(container: key, process: task.process))
    }

    private mutating func settleIfDone() {
        guard connection != nil, calls.allSatisfy({ $0.value == .events }) else { return }
        backOff.reset()
        link = .up
        if revision == 0 { revision = 1 }
    }
}
