import Glibc

/// Why the kernel did not do, or could not be asked to do, what we wanted by netlink.
package enum NetlinkError: Error, Equatable {
    /// A socket call failed; `step` names it.
    case socket(step: String, code: Int32)
    /// The kernel refused a request. `explanation` is its own text (extended acknowledgement), where it gives one.
    case refused(action: String, object: String, code: Int32, explanation: String?)
    /// A route to the same place exists and is not ours.
    case routeTaken(destination: String, routingProtocol: UInt8, interface: String)
    /// The interface already has this address with other attributes.
    case addressTaken(address: String, interface: String)
    /// An answer from the kernel is not what its interface promises.
    case malformed(String)

    /// The `errno` of the kernel or of the failed call, where there is one.
    package var code: Int32? {
        switch self {
        case .socket(_, let code), .refused(_, _, let code, _): code
        case .routeTaken, .addressTaken, .malformed: nil
        }
    }
}

extension NetlinkError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .socket(let step, let code):
            "netlink: \(step): \(SystemCode(code)); \(SystemCode(code).nextStep)"
        case .refused(let action, let object, let code, let explanation):
            "cannot \(action) \(object): \(explanation ?? SystemCode(code).description); \(SystemCode(code).nextStep)"
        case .routeTaken(let destination, let routingProtocol, let interface):
            "there is a route to \(destination) by \(interface) that KubeMesh did not make (protocol \(routingProtocol)); "
                + "remove it, or choose another range for the mesh in config.yaml"
        case .addressTaken(let address, let interface):
            "\(interface) has the address \(address) with other attributes; remove it and try again"
        case .malformed(let what):
            "the kernel's answer is not understood: \(what); please report this with the kernel's version"
        }
    }
}

/// An `errno` value with its text and what an operator can do about it.
package struct SystemCode: CustomStringConvertible {
    package let value: Int32

    package init(_ value: Int32) {
        self.value = value
    }

    package var description: String {
        var text = [CChar](repeating: 0, count: 128)
        guard unsafe strerror_r(value, &text, text.count) == 0 else { return "error \(value)" }
        return String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    package var nextStep: String {
        switch value {
        case EPERM, EACCES: "start meshd as root or grant it CAP_NET_ADMIN"
        case ENODEV, ENXIO: "the interface is gone: see that it exists"
        case ENETUNREACH, EHOSTUNREACH: "see that the interface is up and the gateway reachable"
        case ENOBUFS, ENOMEM: "the kernel is short of memory: free some"
        case EOPNOTSUPP, EPROTONOSUPPORT, EAFNOSUPPORT: "this kernel lacks the feature: load or build its module"
        case EEXIST: "something else made it first: remove that, or change config.yaml"
        default: "see the kernel's log (dmesg)"
        }
    }
}
