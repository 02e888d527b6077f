import Linux
import SansIO
import Wire

/// Addresses of the proxy: looked up on a thread of its own, kept for a minute, and tried in turn.
struct ProxyDirectory {
    private static let lifetime: Duration = .seconds(60)

    private var proxy: HTTPProxy?
    private var addresses: [Endpoint] = []
    private var freshUntil = Instant.zero
    private var isLookingUp = false

    /// Where the proxy is; `nil` while that is being looked up: `resolved` follows in `queue`.
    mutating func endpoint(of wanted: HTTPProxy, queue: CommandQueue, at now: Instant) -> Endpoint? {
        if wanted != proxy { (proxy, addresses, isLookingUp) = (wanted, [], false) }
        if let address = IPAddress(wanted.host) { return Endpoint(address, port: wanted.port) }
        if let first = addresses.first, now < freshUntil { return first }
        lookUp(wanted, queue)
        return nil
    }

    private mutating func lookUp(_ wanted: HTTPProxy, _ queue: CommandQueue) {
        guard !isLookingUp else { return }
        isLookingUp = true
        do {
            let thread = try Thread(name: "mesh-resolver") {
                let found: Result<[Endpoint], SystemError>
                do throws(SystemError) {
                    found = .success(try HostAddresses.lookUp(wanted.host, port: wanted.port))
                } catch {
                    found = .failure(error)
                }
                queue.post(.resolved(wanted, found))
            }
            thread.detach()
        } catch {
            queue.post(.resolved(wanted, .failure(error)))
        }
    }

    /// Takes the resolver's answer; `false` when it is about a proxy that is no longer the one.
    mutating func take(_ answered: HTTPProxy, _ found: [Endpoint], at now: Instant) -> Bool {
        guard answered == proxy else { return false }
        isLookingUp = false
        addresses = found
        freshUntil = now + Self.lifetime
        return true
    }

    /// The address that was tried did not answer: the next one is first now.
    mutating func failed(_ endpoint: Endpoint) {
        guard addresses.count > 1, addresses[0] == endpoint else { return }
        addresses.append(addresses.removeFirst())
    }
}
