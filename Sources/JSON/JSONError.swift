/// Why text is not JSON, or JSON is not the value that was asked for.
package enum JSONError: Error, Equatable, Sendable, CustomStringConvertible {
    case tooLarge(byteCount: Int, limit: Int)
    case tooDeep(limit: Int)
    /// Not JSON at all; line and column count from 1.
    case malformed(line: Int, column: Int, reason: String)
    case missing(path: String)
    case wrongType(path: String, expected: String, found: String)
    /// The right type, but a value outside what the field allows.
    case invalid(path: String, expected: String, found: String)

    package var description: String {
        switch self {
        case .tooLarge(let byteCount, let limit): "JSON of \(byteCount) bytes is over the limit of \(limit)"
        case .tooDeep(let limit): "JSON is nested more than \(limit) levels deep"
        case .malformed(let line, let column, let reason): "JSON line \(line), column \(column): \(reason)"
        case .missing(let path): "\(path) is missing"
        case .wrongType(let path, let expected, let found): "\(path) must be \(expected), not \(found)"
        case .invalid(let path, let expected, let found): "\(path) must be \(expected), not \"\(found)\""
        }
    }
}
