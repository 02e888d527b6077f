package import Wire

/// All that is known of services, their endpoints and the nodes, merged from any number of sources.
///
/// A value without clock or I/O: sources hand in changes, and learn which services and nodes differ now, so that plan and
/// names are updated for those alone. What the catalog holds depends on what its sources last said, not on the order in
/// which they spoke. Endpoints take 40 bytes each, their strings are kept once.
package struct Catalog: Sendable {
    /// What one source says of a service; the first by `SourceID`'s order counts.
    struct Definition: Sendable {
        var source: Int
        var service: Service
    }

    /// A slice of one source, reduced.
    struct StoredSlice: Equatable, Sendable {
        var source: Int
        var name: UInt32
        var ports: UInt32
        var members: [ReducedEndpoint]
    }

    /// A service, or the slices of one that nobody has defined.
    struct Entry: Sendable {
        var name: ServiceName
        var definitions: [Definition] = []
        var slices: [StoredSlice] = []
    }

    struct NodeEntry: Sendable {
        var source: Int
        var node: ClusterNode
    }

    struct SliceKey: Hashable, Sendable {
        var namespace: String
        var name: String
    }

    /// What is known of a source, and which objects are its own.
    struct Source: Sendable {
        var number: UInt64?
        var mark: String?
        /// Classes of which an empty answer is not believed.
        var suspect: Set<ObjectClass> = []
        var services: Set<ServiceName> = []
        var slices: [SliceKey: ServiceName] = [:]
        var nodes: Set<String> = []
    }

    /// This node's own name: services that its own sources define have their claims kept here.
    package let ownNode: String

    var names = NameTable()
    var portSets = Interned<[EndpointSlice.Port]>()
    var hintSets = Interned<HintSet>()
    /// The names that were live when the table was last cleared of dead ones.
    var nameCountAfterClearing = 0

    var sourceIDs: [SourceID] = []
    var sourceNumbers: [SourceID: Int] = [:]
    var sources: [Source] = []

    /// Free places are `nil`; places of services stay while they are known.
    var entries: [Entry?] = []
    var freePlaces: [Int] = []
    var places: [ServiceName: Int] = [:]
    var servicesInNamespace: [String: Int] = [:]
    var endpointIndex = AddressIndex()
    var clusterIPs: ClusterIPs

    /// Rows of the catalog on disk that are not as the catalog is now.
    var unsaved: Set<RowName> = []
    /// Rows from disk that could not be read.
    package internal(set) var rejectedRowCount = 0

    var nodes: [String: [NodeEntry]] = [:]
    var nodeAddresses: [IPAddress: [String]] = [:]
    var containerAddresses: [IPAddress: [String]] = [:]

    /// Empty answers after failures, and stale changes, that changed nothing.
    package private(set) var disbelievedCount = 0
    package private(set) var staleCount = 0

    /// - Parameters:
    ///   - ownNode: the name under which this node's own sources stand in `SourceID.node`.
    ///   - serviceRanges: where services without a cluster IP get theirs; the first of each family counts.
    package init(ownNode: String, serviceRanges: [IPPrefix] = []) {
        self.ownNode = ownNode
        clusterIPs = ClusterIPs(ranges: serviceRanges)
    }

    /// Takes in what a source says.
    ///
    /// - Parameter unixSeconds: the wall time, for claims on cluster addresses that nobody has made before.
    package mutating func apply(_ change: CatalogChange, at unixSeconds: UInt64) -> CatalogDelta {
        let source = sourceNumber(of: change.source)
        if let number = change.number, let last = sources[source].number, number <= last {
            staleCount += 1
            return .unchanged(.stale)
        }
        var before = Before()
        var outcome = CatalogDelta.Outcome.applied
        switch change.content {
        case .failure:
            sources[source].suspect = Set(ObjectClass.allCases)
        case .everything(let objects, let classes):
            if objects.isEmpty, !sources[source].suspect.isDisjoint(with: classes) {
                disbelievedCount += 1
                outcome = .disbelieved
            } else {
                sources[source].suspect.subtract(classes)
                let keys = Set(objects.map(\.key))
                for key in keysHeld(by: source, of: classes) where !keys.contains(key) { remove(key, source, &before) }
                for object in objects { put(object, source, unixSeconds, &before) }
            }
        case .update(let objects):
            for object in objects { put(object, source, unixSeconds, &before) }
        case .delete(let keys):
            for key in keys { remove(key, source, &before) }
        case .withdrawal:
            for key in keysHeld(by: source, of: Set(ObjectClass.allCases)) { remove(key, source, &before) }
            sources[source].suspect = []
            forgetProgress(of: source)
        }
        if outcome == .applied {
            advance(source, to: change.number, change.mark)
        }
        clearDeadNamesIfMany()
        return delta(since: before, outcome)
    }

    /// Things as they were before a change, of those that the change touched.
    struct Before {
        var services: [ServiceName: Service?] = [:]
        /// Services whose endpoints are others now.
        var slices: Set<ServiceName> = []
        var nodes: [String: ClusterNode?] = [:]
    }

    private func delta(since before: Before, _ outcome: CatalogDelta.Outcome) -> CatalogDelta {
        var services = before.slices
        for (name, old) in before.services where !services.contains(name) && service(name) != old {
            services.insert(name)
        }
        var delta = CatalogDelta()
        delta.outcome = outcome
        delta.services = services.sorted()
        delta.nodes = before.nodes.filter { node(named: $0.key) != $0.value }.map(\.key).sorted()
        return delta
    }

    /// Whoever comes back under this name may count anew.
    private mutating func forgetProgress(of source: Int) {
        guard sources[source].number != nil || sources[source].mark != nil else { return }
        sources[source].number = nil
        sources[source].mark = nil
        unsaved.insert(RowName(source: source, key: nil))
    }

    private mutating func advance(_ source: Int, to number: UInt64?, _ mark: String?) {
        guard
            number ?? sources[source].number != sources[source].number
                || mark ?? sources[source].mark != sources[source].mark
        else { return }
        sources[source].number = number ?? sources[source].number
        sources[source].mark = mark ?? sources[source].mark
        unsaved.insert(RowName(source: source, key: nil))
    }

    /// The keys of a source's objects, in order.
    func keysHeld(by source: Int, of classes: Set<ObjectClass>) -> [ObjectKey] {
        var keys: [ObjectKey] = []
        if classes.contains(.services) { keys += sources[source].services.map { .service($0) } }
        if classes.contains(.slices) {
            keys += sources[source].slices.keys.map { .slice(namespace: $0.namespace, name: $0.name) }
        }
        if classes.contains(.nodes) { keys += sources[source].nodes.map { .node($0) } }
        return keys.sorted()
    }

    /// A source's place in `sources`, made now if it is new.
    mutating func sourceNumber(of id: SourceID) -> Int {
        if let number = sourceNumbers[id] { return number }
        sourceNumbers[id] = sources.count
        sourceIDs.append(id)
        sources.append(Source())
        return sources.count - 1
    }
}

extension CatalogDelta {
    fileprivate static func unchanged(_ outcome: Outcome) -> CatalogDelta {
        var delta = CatalogDelta()
        delta.outcome = outcome
        return delta
    }
}
