import CLinux
import Glibc
import Synchronization
import Testing

/// These tests change namespaces and firewalls; without root they are skipped by this reason.
let needsRoot: Comment = "needs root: makes network namespaces and firewall rules in them"

var isRoot: Bool { geteuid() == 0 }

/// A network namespace with a unique name, deleted when the value ends.
final class Namespace: Sendable {
    private static let made = Atomic<Int>(0)
    /// Deletes what runs that crashed left behind: their process ids are part of the names.
    private static let sweep: Void = {
        let names = ((try? Program.run("ip", "netns", "list")) ?? "").split(separator: "\n")
        for name in names.compactMap({ $0.split(separator: " ").first }) where name.hasPrefix("kmt") {
            guard let owner = pid_t(name.dropFirst(3).prefix { $0 != "-" }), kill(owner, 0) != 0 else { continue }
            _ = try? Program.run("ip", "netns", "del", String(name))  // A parallel sweep may have been first.
        }
    }()

    let name: String

    /// Loopback up; IPv6 addresses are usable at once.
    init(_ role: String) throws {
        Self.sweep
        let number = Self.made.wrappingAdd(1, ordering: .relaxed).newValue
        name = "kmt\(getpid())-\(number)\(role)"
        try Program.run("ip", "netns", "add", name)
        try run("ip", "link", "set", "lo", "up")
        try run("sysctl", "-qw", "net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0")
    }

    deinit {
        // A test must not fail because cleaning up did: what remains bears our process's number.
        _ = try? Program.run("ip", "netns", "del", name)
    }

    /// Runs a program in the namespace and returns what it printed; throws unless it ends with 0.
    @discardableResult
    func run(_ command: String..., input: String? = nil) throws -> String {
        try Program.run(["ip", "netns", "exec", name] + command, input: input)
    }

    /// Whether the program ends with 0.
    func succeeds(_ command: String...) -> Bool {
        (try? Program.run(["ip", "netns", "exec", name] + command)) != nil
    }

    /// Starts a program in the namespace; it is killed when the result ends.
    func start(_ command: String...) throws -> Program {
        try Program(["ip", "netns", "exec", name] + command)
    }

    /// Runs Swift code in the namespace, on a thread of its own, which no other work shares.
    func perform<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) throws -> Value {
        let path = "/run/netns/\(name)"
        return try OwnThread.run {
            let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else { throw Program.Failure(command: path, status: errno, output: "cannot open") }
            defer { close(descriptor) }
            guard linux_enter_network_namespace(descriptor) == 0 else {
                throw Program.Failure(command: path, status: errno, output: "cannot enter")
            }
            return try body()
        }
    }
}

/// Runs one closure on a fresh thread and waits for it.
enum OwnThread {
    private final class Work<Value: Sendable>: Sendable {
        let body: @Sendable () throws -> Value
        let result = Mutex<Result<Value, any Error>?>(nil)

        init(_ body: @escaping @Sendable () throws -> Value) {
            self.body = body
        }

        func run() {
            let outcome = Result { try body() }
            result.withLock { $0 = outcome }
        }
    }

    static func run<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) throws -> Value {
        let work = Work(body)
        let step: @Sendable () -> Void = { work.run() }
        let box = unsafe Unmanaged.passRetained(step as AnyObject)
        var thread = pthread_t()
        let code = unsafe pthread_create(
            &thread, nil,
            { pointer in
                guard let pointer = unsafe pointer else { return nil }
                let step = unsafe Unmanaged<AnyObject>.fromOpaque(pointer).takeRetainedValue()
                (step as? @Sendable () -> Void)?()
                return nil
            }, box.toOpaque())
        guard code == 0 else { throw Program.Failure(command: "pthread_create", status: code, output: "") }
        pthread_join(thread, nil)
        guard let result = work.result.withLock({ $0 }) else {
            throw Program.Failure(command: "thread", status: -1, output: "ended without a result")
        }
        return try result.get()
    }
}
