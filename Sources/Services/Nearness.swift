/// Chooses the nearest endpoints: on this node, else on its LAN, else on the nodes with the lowest measured round trip.
///
/// Several nodes may be nearest, as far as measuring can tell them apart. A node becomes one of them when its round trip
/// is within 1 ms or a tenth of the lowest, and stays one until it is beyond 5 ms and 15 % of it, so that measurements
/// which wander do not move connections to and fro.
struct Nearness {
    static let entering: (Duration, percent: Int64) = (.milliseconds(1), 10)
    static let leaving: (Duration, percent: Int64) = (.milliseconds(5), 15)

    let context: PlanningContext
    /// The nearest nodes so far.
    let near: Set<String>

    func nearest(of ready: [EndpointCandidate], chosen: inout Set<String>) -> [EndpointCandidate] {
        let local = ready.filter(\.isLocal)
        guard local.isEmpty else { return local }
        let nodes = ready.map { context.catalog.names.name($0.node) ?? "" }
        let onLAN = ready.indices.filter { context.view.neighbours.contains(nodes[$0]) }
        guard onLAN.isEmpty else { return onLAN.map { ready[$0] } }
        let roundTrips = nodes.map { context.view.roundTrips[$0] }
        guard let lowest = roundTrips.compactMap({ $0 }).min() else { return ready }
        let nearest = ready.indices.filter { index in
            guard let roundTrip = roundTrips[index] else { return false }
            let margin = near.contains(nodes[index]) ? Self.leaving : Self.entering
            return roundTrip <= lowest + max(margin.0, lowest * margin.percent / 100)
        }
        chosen.formUnion(nearest.map { nodes[$0] })
        return nearest.map { ready[$0] }
    }
}
