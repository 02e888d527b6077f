package import Crypto
package import Wire

/// What a host's streams go by; everything here may change while they run.
package struct StreamSettings: Equatable, Sendable {
    /// The mesh secrets that are accepted, the current one first.
    package var secrets: [Secret]
    /// Where others' streams are taken; empty: nowhere.
    package var listening: [Endpoint] = []
    /// Through which ours go, unless the exceptions say otherwise.
    package var proxy: HTTPProxy?
    package var exceptions = ProxyExceptions("")
    /// The name that ours show to the network (SNI).
    package var serverName: String?
    /// Streams of others at a time.
    package var limit = 512

    /// Precondition: at least one secret.
    package init(secrets: [Secret]) {
        precondition(!secrets.isEmpty)
        self.secrets = secrets
    }
}
