package import ControlAPI
package import Services

/// Answers `meshctl` about services out of what the agent holds; what changes something goes through `CommandSource`.
package struct ServiceAnswers {
    let catalog: Catalog
    let planner: ServicePlanner
    let surroundings: ServiceExplanation.Surroundings

    package init(catalog: Catalog, planner: ServicePlanner, _ surroundings: ServiceExplanation.Surroundings = .init()) {
        self.catalog = catalog
        self.planner = planner
        self.surroundings = surroundings
    }

    /// - Returns: `nil` for a request that is not about services, or that changes them. A `why` about an address that is no
    ///   service's is such a one; a name that no service has is answered as a failure, so nodes are to be asked first.
    package func reply(to request: Request) -> Reply? {
        switch request {
        case .services(let namespace): .services(listing.list(in: namespace))
        case .serviceList: .services(listing.list(from: CommandSource(catalog: catalog, view: planner.view).source))
        case .endpoints(nil): .endpoints(endpoints.list())
        case .endpoints(let name?): named(name) { .endpoints(endpoints.list(of: $0)) }
        case .serviceShow(let name): named(name) { listing.detail(of: $0, planner: planner).map { .service($0) } }
        case .why(from: nil, let target): explanation(of: target)
        default: nil
        }
    }

    private var listing: ServiceListing { ServiceListing(catalog: catalog, planner: planner) }
    private var endpoints: EndpointListing { EndpointListing(catalog: catalog, planner: planner) }

    private func named(_ text: String, _ reply: (ServiceName) -> Reply?) -> Reply? {
        switch catalog.service(meantBy: text, clusterDomain: surroundings.clusterDomain) {
        case .success(let name): reply(name)
        case .failure(let failure): .failure(failure)
        }
    }

    private func explanation(of target: String) -> Reply? {
        switch ServiceExplanation(catalog: catalog, planner: planner, surroundings).explanation(of: target) {
        case .success(let explanation)?: .explanation(explanation)
        case .failure(let failure)?: .failure(failure)
        case nil: nil
        }
    }
}
