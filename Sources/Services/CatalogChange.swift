/// What a source has to say.
package struct CatalogChange: Equatable, Sendable {
    package enum Content: Equatable, Sendable {
        /// All objects of these classes that the source has now. An empty one that follows a failure changes nothing,
        /// until the source has answered with something: from outside, "nothing there" and "not reachable" look alike.
        case everything([CatalogObject], of: Set<ObjectClass>)
        case update([CatalogObject])
        case delete([ObjectKey])
        /// The source could not be asked, or answered with an error. Nothing changes.
        case failure
        /// The source is gone for good, and what it said goes: a manifest removed, a node banished.
        case withdrawal
    }

    package var source: SourceID
    /// A number that grows with each change of the source; a change whose number is not above the last is stale.
    /// `nil` for sources that do not number.
    package var number: UInt64?
    /// Where to go on reading the source after a restart (Kubernetes' resource version): kept, never read.
    package var mark: String?
    package var content: Content

    package init(_ source: SourceID, number: UInt64? = nil, mark: String? = nil, _ content: Content) {
        self.source = source
        self.number = number
        self.mark = mark
        self.content = content
    }

    /// All that a source has, of every class.
    package static func everything(_ objects: [CatalogObject], from source: SourceID, number: UInt64? = nil) -> Self {
        CatalogChange(source, number: number, .everything(objects, of: Set(ObjectClass.allCases)))
    }
}

/// What became different by a change.
package struct CatalogDelta: Equatable, Sendable {
    package enum Outcome: Equatable, Sendable {
        case applied
        /// Its number was not above the last one of this source.
        case stale
        /// An empty answer after a failure.
        case disbelieved
    }

    package var outcome = Outcome.applied
    /// Services whose definition, addresses or endpoints differ now, sorted.
    package var services: [ServiceName] = []
    /// Nodes that differ now, sorted.
    package var nodes: [String] = []

    package var isEmpty: Bool { services.isEmpty && nodes.isEmpty }

    package init() {}
}
