package import Wire

// Whom and what a discovery has to work with.
extension NATDiscovery {
    package struct Observer: Equatable, Sendable {
        package var endpoint: Endpoint
        /// The member that answers there; `nil` for a stock server.
        package var member: Int?

        package init(_ endpoint: Endpoint, member: Int? = nil) {
            self.endpoint = endpoint
            self.member = member
        }
    }

    /// A member that can be asked to send to us, and the public addresses that it sends from.
    package struct Helper: Equatable, Sendable {
        package var member: Int
        package var addresses: [IPAddress]

        package init(member: Int, addresses: [IPAddress]) {
            self.member = member
            self.addresses = addresses
        }
    }

    package struct Setup: Sendable {
        package var isIPv4: Bool
        /// Local endpoints of the sockets, by number, in the order of their use.
        package var sockets: [(number: Int, port: UInt16)]
        /// This host's addresses of the family.
        package var local: [IPAddress]
        /// The best first.
        package var observers: [Observer]
        package var helpers: [Helper]
        /// Outside addresses as gateways tell them.
        package var gateways: [IPAddress]

        package init(
            isIPv4: Bool, sockets: [(number: Int, port: UInt16)], local: [IPAddress], observers: [Observer],
            helpers: [Helper], gateways: [IPAddress]
        ) {
            self.isIPv4 = isIPv4
            self.sockets = sockets
            self.local = local
            self.observers = Array(observers.prefix(NATDiscovery.observerLimit))
            self.helpers = helpers
            self.gateways = gateways
        }
    }
}
