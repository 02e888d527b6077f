import Console
import Glibc

/// The environment as the C library keeps it; what comes twice keeps its first value.
func environment() -> [String: String] {
    var variables: [String: String] = [:]
    var next = unsafe environ
    while let entry = unsafe next.pointee {
        let parts = unsafe String(cString: entry).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        if parts.count == 2, variables[String(parts[0])] == nil { variables[String(parts[0])] = String(parts[1]) }
        unsafe next += 1
    }
    return variables
}

exit(Meshctl.run(Array(CommandLine.arguments.dropFirst()), environment: environment()))
