/// Why a TLS connection came to nothing.
package enum TLSError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What came is no TLS 1.3 that we agree to; the library's reason.
    case refused(String)
    /// The other side proved that it has a key, but none that the mesh knows.
    case foreignKey

    package var description: String {
        switch self {
        case .refused(let reason): "TLS failed: \(reason)"
        case .foreignKey:
            "the other side's certificate is not the mesh's: another program answers, or somebody is in between"
        }
    }
}
