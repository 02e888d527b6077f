package import Netlink

/// Why rules of the packet filter could not be read or set. A failed change changes nothing.
package enum RuleError: Error, Equatable {
    /// What is wanted contradicts itself; found before the kernel was asked.
    case invalid(String)
    /// The kernel refused an object of the transaction; `object` names the first one.
    case refused(object: String, code: Int32, explanation: String?)
    /// The kernel could not be talked to.
    case netlink(NetlinkError)
}

extension RuleError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .invalid(let reason): reason
        case .refused(let object, let code, let explanation):
            "nftables refuses \(object): \(explanation ?? SystemCode(code).description); \(SystemCode(code).nextStep)"
        case .netlink(let error): error.description
        }
    }
}
