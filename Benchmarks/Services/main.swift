import Glibc
import Netfilter
import Services
import Wire

// Measures the tables of services in the network namespace that it is started in. Figures are printed as `name value unit`;
// the script Benchmarks/services makes the namespaces and puts them side by side.
//
//     bench-services load SERVICES ENDPOINTS      cold load, memory, one endpoint's change, a restart
//     bench-services hold SERVICES ENDPOINTS      loads, and leaves the rules for `connect`
//     bench-services connect SERVICES PACKETS     sends first packets of TCP connections to random services

let arguments = CommandLine.arguments
let numbers = arguments.dropFirst(2).compactMap { Int($0) }
do {
    switch (arguments.dropFirst().first, numbers.count) {
    case ("load", 2): try Load(services: numbers[0], endpoints: numbers[1]).run()
    case ("hold", 2):
        var socket = try RuleSocket()
        var table = ServiceTable()
        _ = try table.apply(Load(services: numbers[0], endpoints: numbers[1]).plan(), by: &socket)
    case ("connect", 2): try Connect(services: numbers[0], packets: numbers[1]).run()
    default:
        print("usage: bench-services load|hold SERVICES ENDPOINTS, or connect SERVICES PACKETS")
        exit(64)
    }
} catch {
    print("bench-services: \(error)")
    exit(1)
}
