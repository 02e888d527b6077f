package import SansIO
package import Wire

// Where a peer sends from.
extension PeerPaths {
    /// More are not told; a peer has few addresses.
    private static let heardLimit = 4

    package func hasHeard(along path: Path) -> Bool { knownPath(path)?.lastHeard != nil }

    /// As `heard`, when nothing else follows from it: `path` is in use and has been heard before. `false`: nothing was done.
    package mutating func heardAgain(along path: Path, at now: Instant) -> Bool {
        guard path == current, let index = known.firstIndex(where: { $0.path == path }),
            known[index].lastHeard != nil
        else { return false }
        known[index].lastHeard = now
        return true
    }

    /// The endpoints that authenticated packets of the peer have come from, those heard last first.
    package var heardEndpoints: [Endpoint] {
        let heard = known.compactMap { known -> (endpoint: Endpoint, path: KnownPath)? in
            guard case .direct(let endpoint) = known.path, known.lastHeard != nil else { return nil }
            return (endpoint, known)
        }
        guard heard.count > Self.heardLimit else { return heard.map(\.endpoint) }
        return heard.sorted { ($0.path.lastHeard ?? .zero) > ($1.path.lastHeard ?? .zero) }
            .prefix(Self.heardLimit).map(\.endpoint)
    }
}
