// Serves names of made-up services for a load generator, on one thread: Benchmarks/dns measures it beside another server.
//
// usage: bench-dns ENDPOINT SERVICES [UPSTREAM]
//   Names are s<n>.ns<n mod 50>.svc.cluster.local; it says "ready", and ends when its standard input does. Lines of input:
//   "change COUNT" changes so many services, one snapshot each, and says how long that took; anything else prints the counters.

import DNS
import Glibc
import NameService
import Services
import Wire

guard CommandLine.arguments.count >= 3, let endpoint = Endpoint(CommandLine.arguments[1]),
    let count = Int(CommandLine.arguments[2])
else { preconditionFailure("usage: bench-dns ENDPOINT SERVICES [UPSTREAM]") }

/// Service `number`, with an address of 10.96.0.0/12 and a port with a name.
func service(_ number: Int, generation: Int = 0) -> Service {
    var service = Service(name: ServiceName(namespace: "ns\(number % 50)", name: "s\(number)"))
    service.clusterIPs = [.v4(IPv4Address(rawValue: 0x0a60_0000 + UInt32(number + generation % 2 * 0x40000)))]
    service.ports = [Service.Port(name: "http", port: 80)]
    return service
}

func endpoints(_ number: Int) -> [ZoneEndpoint] {
    (0..<10).map { ZoneEndpoint(.v4(IPv4Address(rawValue: 0x0af4_0000 + UInt32(number * 10 + $0)))) }
}

let clock = ContinuousClock()
var builder = ZoneBuilder()
let building = clock.measure {
    for number in 0..<count { builder.set(service(number), endpoints: endpoints(number)) }
}
var settings = NameServerSettings()
settings.endpoints = [endpoint]
if CommandLine.arguments.count > 3, let upstream = Endpoint(CommandLine.arguments[3]) {
    settings.resolver.forwarding.routes = [ForwardingSettings.Route(.root, servers: [upstream])]
}
let server = try NameServer(settings)
var index = builder.snapshot(serial: 1)
server.publish(index)
for problem in server.status.problems { print(problem) }
print("ready: \(count) services, \(index.nameCount) names, \(index.addressCount) addresses in \(building)")
fflush(nil)

var serial = 1
while let line = readLine() {
    let words = line.split(separator: " ")
    if words.first == "change", words.count == 2, let changes = Int(words[1]) {
        let taken = clock.measure {
            for change in 0..<changes {
                serial += 1
                builder.set(service(change % count, generation: serial), endpoints: endpoints(change % count))
                server.publish(builder.snapshot(serial: UInt32(serial)))
            }
        }
        print("\(changes) changes in \(taken)")
    } else {
        print(server.status)
    }
    fflush(nil)
}
server.stop()
