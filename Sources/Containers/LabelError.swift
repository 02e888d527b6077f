/// Why a container's labels are refused: which one, what is wrong, and what to write instead.
package struct LabelError: Error, Equatable, Sendable, CustomStringConvertible {
    package var label: String
    package var reason: String
    package var advice: String

    package var description: String { "\(label) \(reason); \(advice)" }
}
