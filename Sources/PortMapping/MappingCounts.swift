/// How often what came of asking gateways.
package struct MappingCounts: Equatable, Sendable {
    package enum Reason: Int, CaseIterable, Sendable {
        case mapped, renewed, released, lost, refused, unanswered
        /// Answers that bear another nonce or port than ours.
        case strangeAnswer
        /// Datagrams that are no answer at all.
        case malformed
        /// Datagrams from somewhere else than a gateway of ours.
        case foreign
        case gatewayRestarted

        package var name: String {
            switch self {
            case .mapped: "port mappings made"
            case .renewed: "port mappings renewed"
            case .released: "port mappings deleted"
            case .lost: "port mappings lost"
            case .refused: "port mappings refused"
            case .unanswered: "port mapping requests unanswered"
            case .strangeAnswer: "port mapping answers to others"
            case .malformed: "port mapping answers malformed"
            case .foreign: "port mapping answers from elsewhere"
            case .gatewayRestarted: "gateways started anew"
            }
        }
    }

    private var counts = [UInt64](repeating: 0, count: Reason.allCases.count)

    package init() {}

    package subscript(reason: Reason) -> UInt64 {
        get { counts[reason.rawValue] }
        set { counts[reason.rawValue] = newValue }
    }

    static func += (left: inout MappingCounts, right: MappingCounts) {
        for reason in Reason.allCases { left[reason] += right[reason] }
    }
}
