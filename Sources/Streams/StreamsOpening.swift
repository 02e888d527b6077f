import Linux
import SansIO
import TLS
import Wire

// Streams of ours: to the relay itself, or through a proxy.
extension Streams {
    func open(_ link: UInt32, to remote: Endpoint, at now: Instant) {
        guard let proxy = settings.proxy, !settings.exceptions.contains(remote.address) else {
            connect(link, to: remote, over: remote, request: nil, for: patience.opening, at: now)
            return
        }
        guard let endpoint = proxies.endpoint(of: proxy, queue: commands, at: now) else {
            waiting[link] = remote
            deadlines.set(now + patience.proxiedOpening, for: .waiting(link))
            return
        }
        connect(
            link, to: remote, over: endpoint, request: ProxyConversation(to: remote, through: proxy),
            for: patience.proxiedOpening, at: now)
    }

    /// The resolver answered.
    func proxyFound(_ proxy: HTTPProxy, _ found: Result<[Endpoint], SystemError>, at now: Instant) {
        let addresses = (try? found.get()) ?? []  // The error is told to each stream that waits.
        guard proxies.take(proxy, addresses, at: now) else { return }
        let links = waiting.sorted { $0.key < $1.key }
        waiting = [:]
        for (link, remote) in links {
            deadlines.remove(.waiting(link))
            if case .failure(let error) = found {
                fail(link, .proxyUnknown(proxy: proxy.name, error))
            } else {
                open(link, to: remote, at: now)
            }
        }
    }

    private func connect(
        _ link: UInt32, to remote: Endpoint, over endpoint: Endpoint, request: ProxyConversation?, for time: Duration,
        at now: Instant
    ) {
        do {
            let stream = Stream(
                id: nextStream(), link: link, to: remote, over: try TCPSocket.connect(to: endpoint),
                proxy: request == nil ? nil : settings.proxy?.name,
                session: context.client(serverName: settings.serverName), counters: counters, workspace: workspace,
                at: now)
            serve(stream, request: request, for: time, at: now)
        } catch {
            fail(link, .broken(error))
        }
    }
}
