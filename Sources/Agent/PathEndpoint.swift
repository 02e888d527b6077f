import Traversal
import Wire

extension Traversal.Path {
    /// Where packets of a direct path go.
    var endpoint: Endpoint? {
        if case .direct(let endpoint) = self { endpoint } else { nil }
    }
}
