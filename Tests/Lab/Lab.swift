import Glibc
import Synchronization

/// A small internet in network namespaces: a core, routers with NAT, LANs, hosts, containers.
///
/// ```
///        alpha ──┐                                  ┌── beta ── docker0 ── c1
///   (public host) core ── router (a NAT) ── LAN ────┤
///                │                                  └── gamma
///                └─── router (another) ── LAN ── ...
/// ```
/// Nothing appears in the machine's own namespace: both ends of every link are made in place.
package final class Lab {
    package let run: Run
    package let core: Core
    package private(set) var hosts: [Host] = []
    private var engines: [DockerEngine] = []

    private static let count = Atomic(0)

    /// Sets up a lab, runs `body` and takes everything down again, also on an error or an interruption.
    package static func with<Outcome>(_ purpose: String = "test", _ body: (Lab) throws -> Outcome) throws -> Outcome {
        let number = count.add(1, ordering: .relaxed).newValue
        let lab = try Lab(Run(named: "\(purpose)\(getpid())x\(number)"))
        defer { lab.takeDown() }
        return try body(lab)
    }

    /// Sets up the core. What crashed runs left behind is removed first.
    ///
    /// Throws `.inUse` if a run of this name is up.
    package init(_ run: Run) throws(LabError) {
        guard geteuid() == 0 else { throw .notPermitted }
        Interruption.listen()
        for other in Run.all where !other.isInUse { other.remove() }
        guard !run.isInUse else { throw .inUse(run: run.name) }
        self.run = run
        try run.claim()
        do {
            core = try Core(in: run)
        } catch {
            run.remove()
            throw error
        }
    }

    /// A network namespace of its own, for what the other factories do not make.
    package func namespace(_ label: String) throws(LabError) -> Namespace {
        try Namespace(label, in: run)
    }

    /// A host with its own files and name, plugged into `segment` as eth0.
    package func host(_ label: String, on segment: any Segment) throws(LabError) -> Host {
        let host = try Host(label, in: run)
        hosts.append(host)
        try host.plug(into: segment)
        return host
    }

    /// A router between `segment` and a LAN of its own.
    ///
    /// - Parameters:
    ///   - hasIPv6: whether the LAN has IPv6. Two firewalls that let in answers are passed by two hosts that dial each other,
    ///     without any punching to speak of; a test of NATs leaves it out.
    ///   - hairpins: whether two hosts behind the router reach each other by its outer address; cone kinds alone do.
    package func router(
        _ label: String, _ kind: Router.Kind, on segment: (any Segment)? = nil, lan prefix: String? = nil,
        hasIPv6: Bool = true, hairpins: Bool = false
    ) throws(LabError) -> Router {
        try Router(
            label, kind, between: segment ?? core, and: prefix, hasIPv6: hasIPv6, hairpins: hairpins, in: run)
    }

    /// A LAN with no way out.
    package func lan(_ label: String, prefix: String, prefix6: String? = nil) throws(LabError) -> LAN {
        try LAN(label, prefix: prefix, prefix6: prefix6, in: run)
    }

    /// A line with delay and loss to `segment`, the core if not said otherwise; to be plugged into once.
    package func line(
        _ label: String, to segment: (any Segment)? = nil, delay: Duration = .zero, loss: Double = 0
    ) -> Line {
        Line(label, to: segment ?? core, delay: delay, loss: loss, in: run)
    }

    /// A Docker daemon of the host's own, so that several hosts have the same 172.17.0.0/16.
    package func docker(on host: Host, options: [String] = []) throws(LabError) -> DockerEngine {
        let engine = try DockerEngine(on: host, options: options)
        engines.append(engine)
        return engine
    }

    /// Ends every process and removes every namespace and file of this lab.
    package func takeDown() {
        Interruption.ignoring {
            for engine in engines { engine.stop() }
        }
        engines = []
        run.remove()
    }
}
