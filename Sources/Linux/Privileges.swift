import CLinux

/// What the process may do, given up early so that a fault later costs less.
package enum Privileges {
    /// Capabilities by their numbers in capabilities(7).
    package enum Capability: Int, CaseIterable, Sendable {
        case networkAdministration = 12
        case rawSockets = 13
        case bindLowPorts = 10
    }

    /// The capabilities among the known ones that this thread has.
    package static func effective() throws(SystemError) -> Set<Capability> {
        var mask: UInt64 = 0
        try SystemError.check(unsafe linux_effective_capabilities(&mask), "capget")
        return Set(Capability.allCases.filter { mask & (1 << UInt64($0.rawValue)) != 0 })
    }

    /// Gives up every capability but these. Threads started afterwards have no more either; do it before them.
    package static func keep(_ capabilities: Set<Capability>) throws(SystemError) {
        let mask = capabilities.reduce(UInt64(0)) { $0 | 1 << UInt64($1.rawValue) }
        try SystemError.check(linux_keep_capabilities(mask), "capset")
    }

    /// Keeps keys out of core dumps and away from debuggers of the same user, and set-uid programs from helping.
    package static func harden() throws(SystemError) {
        try SystemError.check(linux_forbid_dumping(), "prctl PR_SET_DUMPABLE")
        try SystemError.check(linux_forbid_new_privileges(), "prctl PR_SET_NO_NEW_PRIVS")
    }
}
