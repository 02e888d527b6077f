import Services
import Wire

/// How fit an endpoint is for connections, by its own conditions and by what this node sees of it.
enum EndpointStanding: Equatable {
    case ready
    /// It still serves while it is being shut down: used where nothing is ready.
    case draining
    /// Why not.
    case unfit(String)

    init(_ member: EndpointSlice.Member, of service: Service, _ view: LocalView) {
        if let node = member.nodeName,
            view.downEndpoints.contains(LocalView.Place(node: node, address: member.address))
        {
            self = .unfit("\(node) says that it is down")
        } else if member.weight == 0 {
            self = .unfit("its weight is 0")
        } else if member.conditions.ready || service.publishesNotReady {
            self = .ready
        } else if member.conditions.terminating {
            self = member.conditions.serving ? .draining : .unfit("it is being shut down")
        } else {
            self = .unfit("it is not ready")
        }
    }
}

extension LocalView {
    /// Whether an endpoint is on this node: its entry says so, or says nothing and its address is one of ours.
    func isLocal(_ member: EndpointSlice.Member) -> Bool {
        guard let node = member.nodeName else {
            return addresses.contains(member.address) || podPrefixes.contains { $0.contains(member.address) }
        }
        return node == self.node
    }

    /// Where this node reaches an endpoint.
    func reachedAddress(of member: EndpointSlice.Member) -> IPAddress {
        isLocal(member) ? member.address : translation.meshAddress(of: member.address, on: member.nodeName)
    }

    /// Whether an endpoint's node does not answer.
    func isDead(_ member: EndpointSlice.Member) -> Bool {
        guard let node = member.nodeName else { return false }
        return node != self.node && deadNodes.contains(node)
    }

    /// Why this proxy has nothing to do with a service; `nil` where it has.
    func objection(to service: Service) -> String? {
        if case .externalName(let target) = service.kind { return "it is another name for \(target)" }
        if case .headless = service.kind { return "it has no cluster address: names lead straight to its endpoints" }
        if service.isServedElsewhere {
            return "another program serves it (label service.kubernetes.io/service-proxy-name)"
        }
        guard service.bearsFilterLabel == (labelFilter == .ifAbsent) else {
            return service.bearsFilterLabel
                ? "its label service.edgemesh.kubeedge.io/service-proxy-name takes it away from this proxy"
                : "it lacks the label service.edgemesh.kubeedge.io/service-proxy-name, which this proxy is set to ask for"
        }
        return nil
    }
}
