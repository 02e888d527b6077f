import Configuration
import ControlAPI
import Crypto
import Linux
import Mesh
import PacketIO
import SansIO
import Streams
import Wire

/// The TLS streams of this host: between the node, which wants them, their thread, and the packet threads, which use them.
///
/// Confined to the control thread.
final class StreamService {
    private let streams: Streams
    /// Signalled when `carryOutEvents` has something to do.
    var wakeUp: WakeUp { streams.mailbox.wakeUp }
    /// The port that others find us at, as far as is known: what is configured, until it turns out to be taken.
    private(set) var port: UInt16
    private var refusal: SystemError?
    private var settings: StreamSettings
    /// Streams of ours that are being opened, and those that stand.
    private var opening: [UInt32: Endpoint] = [:]
    private var standing: [UInt32: Endpoint] = [:]
    /// Why the last stream that was tried does not stand.
    private var lastFailure: (remote: Endpoint, reason: StreamEnd)?
    private let environment = ProxyEnvironment.current
    private let log: Log

    init(_ configuration: Configuration, secrets: [Secret], log: Log) throws(SystemError) {
        self.log = log
        port = Self.port(configuration)
        settings = StreamSettings(secrets: secrets)
        streams = try Streams(settings)
        if environment.isUnreadable {
            log.warning("https_proxy is no http:// URL and is not used", ["next": "set stream.proxy in config.yaml"])
        }
    }

    /// The port that the configuration wants, 0 for none: streams are taken in order to relay.
    static func port(_ configuration: Configuration) -> UInt16 {
        configuration.relay.enabled ? configuration.stream.port : 0
    }

    func stop() {
        streams.stop()
    }

    /// Follows the configuration. `isInReach`: others may be able to connect to this host; otherwise its port is left alone.
    func apply(_ configuration: Configuration, secrets: [Secret], isInReach: Bool) {
        var new = StreamSettings(secrets: secrets)
        let wanted = isInReach ? Self.port(configuration) : 0
        if wanted != 0 {
            let any: [IPAddress] = [.v4(.any), .v6(.any)]
            let addresses = configuration.listen.addresses.isEmpty ? any : configuration.listen.addresses
            new.listening = addresses.map { Endpoint($0, port: wanted) }
        }
        switch configuration.stream.proxy {
        case .automatic:
            new.proxy = environment.proxy
            new.exceptions = environment.exceptions
        case .off: break
        case .through(let proxy): new.proxy = proxy
        }
        new.serverName = configuration.stream.sni
        new.limit = configuration.limits.streams
        if new.listening != settings.listening {
            port = wanted
            refusal = nil
        }
        guard new != settings || refusal != nil else { return }
        settings = new
        streams.perform(.configure(new))
    }

    // MARK: what the node wants

    func open(_ link: UInt32, to remote: Endpoint) {
        opening[link] = remote
        streams.perform(.open(link: link, to: remote))
    }

    func close(_ link: UInt32) {
        opening[link] = nil
        standing[link] = nil
        streams.perform(.close(link: link))
    }

    func prove(_ link: UInt32) {
        streams.perform(.prove(link: link))
    }

    // MARK: what happens

    /// Carries out what the streams' thread has to tell. Returns whether `port` changed.
    func carryOutEvents(on node: inout Node, _ threads: PacketThreads) -> Bool {
        let before = port
        let now = SystemClock.now
        for event in streams.mailbox.takeAll() {
            switch event {
            case .opened(let link, let outlet): opened(link, outlet, on: &node, threads, at: now)
            case .accepted(let stream, let remote, let outlet):
                accepted(stream, from: remote, outlet, on: &node, threads, at: now)
            case .closed(let link, let reason):
                threads.remove(link: link)
                if let remote = opening.removeValue(forKey: link) { failed(remote, reason) }
                if let remote = standing.removeValue(forKey: link) {
                    log.info("stream ended", ["relay": "\(remote)", "reason": "\(reason)"])
                }
                node.linkClosed(link, at: now)
            case .listening(let port):
                self.port = port
                refusal = nil
            case .notListening(let endpoint, let error):
                if refusal == nil {
                    log.warning("no streams are taken", ["address": "\(endpoint)", "reason": "\(error)"])
                }
                refusal = error
                port = 0
            }
        }
        return port != before
    }

    private func opened(
        _ link: UInt32, _ outlet: StreamOutlet, on node: inout Node, _ threads: PacketThreads, at now: Instant
    ) {
        guard let remote = opening.removeValue(forKey: link), attach(link, outlet, to: threads) else { return }
        lastFailure = nil
        standing[link] = remote
        log.info("stream opened", ["relay": "\(remote)", "proxy": settings.proxy?.name ?? "none"])
        node.linkOpened(Link(number: link, kind: .stream, remote: remote), at: now)
    }

    private func accepted(
        _ stream: UInt64, from remote: Endpoint, _ outlet: StreamOutlet, on node: inout Node, _ threads: PacketThreads,
        at now: Instant
    ) {
        guard let link = node.acceptLink(.stream, from: remote, at: now) else {
            streams.perform(.refuse(stream: stream))
            return
        }
        streams.perform(.admit(stream: stream, link: link.number))
        if !attach(link.number, outlet, to: threads) { node.linkClosed(link.number, at: now) }
    }

    /// Gives the packet threads their end; without them the stream is of no use.
    private func attach(_ link: UInt32, _ outlet: StreamOutlet, to threads: PacketThreads) -> Bool {
        guard let end = outlet.take() else { return false }
        do throws(SystemError) {
            try threads.add(link: link, kind: .stream, descriptor: end)
            return true
        } catch {
            log.warning("a stream cannot be used", ["reason": "\(error)"])
            streams.perform(.close(link: link))
            return false
        }
    }

    private func failed(_ remote: Endpoint, _ reason: StreamEnd) {
        lastFailure = (remote, reason)
        log.info("stream not opened", ["relay": "\(remote)", "reason": "\(reason)"])
    }

    // MARK: status

    /// What an operator should know: that a port cannot be had, and that UDP is blocked with no stream in its place.
    func warnings(isUDPSilent: Bool, hasStreams: Bool) -> [Notice] {
        var warnings: [Notice] = []
        if let refusal, let wanted = settings.listening.first?.port {
            let nextStep =
                switch refusal.name {
                case "EADDRINUSE": "stop the program that listens there, or set stream.port in config.yaml (0: none)"
                case "EACCES", "EPERM":
                    "give meshd CAP_NET_BIND_SERVICE, or set stream.port in config.yaml to 1024 or more (0: none)"
                default: "check listen.addresses in config.yaml, or set stream.port there to 0 for none"
                }
            warnings.append(
                Notice(
                    "TCP port \(wanted) cannot be listened on (\(refusal.text)): hosts whose network blocks UDP cannot"
                        + " use this one as a relay",
                    nextStep: nextStep))
        }
        if isUDPSilent {
            let reason = lastFailure.map { ": \($0.remote): \($0.reason)" } ?? ""
            warnings.append(
                hasStreams
                    ? Notice("nobody answers over UDP: relays are reached by TLS streams, which is slower")
                    : Notice("nobody answers over UDP, and no TLS stream to a relay stands\(reason)"))
        }
        return warnings
    }

    var counters: [Status.Counter] {
        StreamCount.allCases.compactMap { count in
            streams.counters[count] > 0 ? .init(count.name, streams.counters[count]) : nil
        }
    }
}
