import Glibc

/// What tests in the lab need of the machine.
package enum Requirement {
    /// Why such tests are skipped without root, as the test runner prints it.
    package static let reason = "network namespaces take root: sudo scripts/test"

    /// Whether to run them. `scripts/test` as root sets KUBEMESH_REQUIRE_HOST_TESTS=1: then nothing is skipped.
    package static var isMet: Bool { geteuid() == 0 || isForced }

    /// A variable of the environment, `nil` if it is not set or empty.
    package static func variable(_ name: String) -> String? {
        guard let value = unsafe getenv(name) else { return nil }
        let text = unsafe String(cString: value)
        return text.isEmpty ? nil : text
    }

    package static var isForced: Bool { variable("KUBEMESH_REQUIRE_HOST_TESTS") == "1" }
}
