package import Wire

/// Since when a service wants cluster addresses, and which it has had so far.
///
/// Travels with the service wherever it is announced, so that every node settles a conflict alike.
package struct AddressClaim: Hashable, Sendable {
    /// Seconds since 1970 when the service was first seen anywhere; zero while nobody has said.
    package var since: UInt64
    /// At most one of each family, allocated earlier: kept, where nobody with a better claim has it.
    package var held: [IPAddress]

    package init(since: UInt64 = 0, held: [IPAddress] = []) {
        self.since = since
        self.held = held
    }
}
