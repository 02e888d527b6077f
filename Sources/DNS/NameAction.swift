package import Wire

/// What the shell is to do for a `Resolver`.
package enum NameAction: Equatable, Sendable {
    /// Send a datagram from a port of its own, random as the system's are, that takes datagrams from `to` only; what comes back
    /// goes to `receive(reply:of:)`.
    case send(exchange: UInt64, message: [UInt8], to: Endpoint)
    /// The same over a TCP connection of its own (RFC 7766), where the message has its length before it.
    case connect(exchange: UInt64, message: [UInt8], to: Endpoint)
    /// Nothing is expected of the exchange any more.
    case close(exchange: UInt64)
    /// The answer to a query that was `pending`.
    case answer(token: UInt64, message: [UInt8])
}
