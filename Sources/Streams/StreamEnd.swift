package import Linux
package import TLS

/// Why a stream ended, or never stood.
package enum StreamEnd: Error, Hashable, Sendable {
    /// The control thread wanted it so.
    case asked
    /// The other side closed it.
    case closedByPeer
    /// The connection failed, or broke.
    case broken(SystemError)
    /// It did not stand in time.
    case timedOut
    case tls(TLSError)
    /// What came are no datagrams.
    case malformed
    /// The other side of a stream that we accepted sent nothing.
    case silent
    case proxyRefused(proxy: String, status: Int)
    /// What answers at the proxy's address is none.
    case proxyMalformed(proxy: String)
    case proxyUnknown(proxy: String, SystemError)
    /// Too many streams stand, or come at once.
    case tooMany
}

extension StreamEnd: CustomStringConvertible {
    package var description: String {
        switch self {
        case .asked: "closed"
        case .closedByPeer: "the other side closed the stream"
        case .broken(let error): "\(error)"
        case .timedOut: "no answer in time"
        case .tls(let error): "\(error)"
        case .malformed: "the other side speaks something else"
        case .silent: "the other side sent nothing"
        case .proxyRefused(let proxy, 407):
            "the proxy \(proxy) wants a user and a password (407): set stream.proxy: http://user:password@\(proxy)"
        case .proxyRefused(let proxy, let status):
            "the proxy \(proxy) refuses to connect to the relay (\(status)): allow CONNECT to its port there"
        case .proxyMalformed(let proxy): "what answers at \(proxy) is no HTTP proxy: check stream.proxy"
        case .proxyUnknown(let proxy, let error): "the proxy \(proxy) is not found (\(error)): check stream.proxy"
        case .tooMany: "too many streams"
        }
    }
}
