package import Containers
package import Services

/// How the sources stand, for people.
package struct SourcesState: Equatable, Sendable {
    /// The directory of manifests.
    package struct Folder: Equatable, Sendable {
        package var path: String
        /// Why it cannot be listed; what its files said before still counts.
        package var problem: String?
        package var files: [ManifestFolder.File] = []
        /// Files beyond the limit, which are not read.
        package var ignoredCount = 0
    }

    /// A container runtime.
    package struct Runtime: Equatable, Sendable {
        package enum Link: Equatable, Sendable {
            /// There is no socket; it is waited for.
            case absent
            case connecting
            case up
            /// There is a socket, but nothing to be had of it: why, and what to do where that is known.
            case down(reason: String, nextStep: String?)
        }

        package var name: String
        package var socket: String
        package var link = Link.absent
        /// Since when the link has been so, in seconds since 1970.
        package var since: Int64
        package var containerCount = 0
        /// Containers that are endpoints now.
        package var publishedCount = 0
        package var ignoredCount = 0
        package var problems: [ContainerCatalog.Problem] = []
    }

    /// `nil` where none is to be read.
    package var folder: Folder?
    package var runtimes: [Runtime] = []
}
