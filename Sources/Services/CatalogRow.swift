package import Wire

/// One object of one source, or what is known of the source itself, as it lies on disk.
package struct CatalogRow: Equatable, Sendable {
    package var key: [UInt8]
    /// `nil` where the row is to go.
    package var bytes: [UInt8]?

    package init(key: [UInt8], bytes: [UInt8]?) {
        self.key = key
        self.bytes = bytes
    }
}

extension Catalog {
    struct RowName: Hashable, Sendable {
        var source: Int
        /// `nil` for the row of the source itself.
        var key: ObjectKey?
    }

    /// How many rows on disk are behind.
    package var unsavedRowCount: Int { unsaved.count }

    /// The rows that are to be written or removed so that the disk has what the catalog has now, all of them in one
    /// transaction; they count as saved from here on.
    package mutating func takeUnsavedRows() -> [CatalogRow] {
        let rows = unsaved.map { name in
            let source = sourceIDs[name.source]
            guard let key = name.key else {
                let state = sources[name.source]
                return CatalogRow(
                    source: source, CatalogRowCodec.Progress(number: state.number, mark: state.mark))
            }
            return CatalogRow(source: source, key, object(key, name.source))
        }
        unsaved = []
        return rows.sorted { $0.key.lexicographicallyPrecedes($1.key) }
    }

    /// Says that rows which were taken could not be written.
    package mutating func putBack(_ rows: [CatalogRow]) {
        for row in rows {
            guard let (source, key) = try? CatalogRowCodec.name(row.key) else { continue }  // Made here: can be read.
            unsaved.insert(RowName(source: sourceNumber(of: source), key: key))
        }
    }

    /// A catalog as it was when its rows were written. Rows that cannot be read are counted and left out.
    ///
    /// The first answers of a cluster's API are not believed where they are empty: after a boot with no uplink, a
    /// local relay of it may know nothing yet.
    package init(ownNode: String, serviceRanges: [IPPrefix], rows: [CatalogRow]) {
        self.init(ownNode: ownNode, serviceRanges: serviceRanges)
        var before = Before()
        var ownClaims: [RowName: AddressClaim] = [:]
        for row in rows {
            do {
                let (id, key) = try CatalogRowCodec.name(row.key)
                guard let bytes = row.bytes else { continue }
                let source = sourceNumber(of: id)
                if let key {
                    let object = try CatalogRowCodec.object(key, row.key, bytes)
                    if case .service(let service) = object, id.node == ownNode {
                        ownClaims[RowName(source: source, key: key)] = service.claim
                    }
                    put(object, source, 0, &before)
                } else {
                    let progress = try CatalogRowCodec.progress(row.key, bytes)
                    sources[source].number = progress.number
                    sources[source].mark = progress.mark
                }
            } catch {
                rejectedRowCount += 1
            }
        }
        for source in sources.indices where sourceIDs[source].kind == .kubernetes {
            sources[source].suspect = Set(ObjectClass.allCases)
        }
        // The disk has all of it, but for claims that were settled otherwise because rows were lost.
        unsaved = Set(ownClaims.filter { claim(in: $0.key) != $0.value }.map(\.key))
    }

    private func claim(in row: RowName) -> AddressClaim? {
        guard let key = row.key, case .service(let service)? = object(key, row.source) else { return nil }
        return service.claim
    }
}
