import Linux
import SansIO
import Wire

/// The addresses that are wanted, those that could be had, and why others could not.
struct ListenerSet {
    private static let retryInterval: Duration = .seconds(3)
    /// Tokens from here on are of datagram sockets and listening sockets, in turns.
    static let firstToken: UInt64 = 1 << 62

    private let readiness: ReadinessSet
    private var wanted: [Endpoint]
    private var listeners: [UInt64: NameListener] = [:]
    private var problems: [Endpoint: NameServiceError] = [:]
    private var nextNumber: UInt64 = 0
    private(set) var retryAt: Instant?

    init(_ wanted: [Endpoint], _ readiness: ReadinessSet) {
        self.wanted = wanted
        self.readiness = readiness
    }

    subscript(number: UInt64) -> NameListener? { listeners[number] }

    /// The listener and its kind of socket that a token stands for.
    static func parse(_ token: UInt64) -> (number: UInt64, isStream: Bool)? {
        guard token >= firstToken else { return nil }
        return ((token - firstToken) / 2, (token - firstToken) % 2 == 1)
    }

    /// Tries those that are not open yet.
    mutating func open(at now: Instant) {
        let open = Set(listeners.values.map(\.wanted))
        problems = [:]
        for endpoint in wanted where !open.contains(endpoint) {
            do {
                let listener = try NameListener(endpoint)
                try add(listener)
            } catch {
                problems[endpoint] = error
            }
        }
        retryAt = problems.isEmpty ? nil : now + Self.retryInterval
    }

    private mutating func add(_ listener: NameListener) throws(NameServiceError) {
        let token = Self.firstToken + nextNumber * 2
        do {
            try readiness.add(listener.datagrams.descriptor, token: token)
            try readiness.add(listener.streams.descriptor, token: token + 1)
        } catch {
            throw .refused(listener.endpoint, error)
        }
        listeners[nextNumber] = listener
        nextNumber += 1
    }

    mutating func setWanted(_ endpoints: [Endpoint], at now: Instant) {
        wanted = endpoints
        for (number, listener) in listeners where !endpoints.contains(listener.wanted) {
            readiness.remove(listener.datagrams.descriptor)
            readiness.remove(listener.streams.descriptor)
            listeners[number] = nil
        }
        open(at: now)
    }

    func describe(in status: inout NameServerStatus) {
        status.listening = listeners.values.map(\.endpoint).sorted()
        status.problems = problems.sorted { $0.key < $1.key }.map(\.value)
    }
}
