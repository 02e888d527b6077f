/// How `meshctl` and `meshd` talk: over a stream socket, one request a connection.
///
/// The client sends a request, one JSON object on one line. The daemon answers with one reply a line and closes after
/// the first reply that `Reply.isFinal`; anything before that is progress. A connection that ends without a final
/// reply means that the daemon has died.
package enum Control {
    /// Goes up when a message changes in a way that the other side must know.
    package static let version = 1
    /// Where the daemon listens unless it is told otherwise.
    package static let socketPath = "/run/kubemesh/meshd.sock"
    /// The longest request line. A daemon closes a connection that sends more.
    package static let requestLimitBytes = 64 << 10
    /// The longest reply line: ten thousand peers fit.
    package static let replyLimitBytes = 16 << 20
}
