package import Wire

/// Where an interface of a host is plugged in, and its addresses there.
package struct Place: Sendable {
    package var network: Fabric.NetworkID
    package var addresses: [IPAddress]

    package init(_ network: Fabric.NetworkID, _ addresses: IPAddress...) {
        self.network = network
        self.addresses = addresses
    }
}
