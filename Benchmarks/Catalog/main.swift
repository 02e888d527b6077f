// What a catalog of 10,000 services with 10 endpoints each costs: memory, the plan of one node, one change of one slice,
// a node that dies, what goes to disk and back. Build it with `-c release`. Arguments: services, endpoints of each.

import Linux

let counts = CommandLine.arguments.dropFirst().compactMap { Int($0) }
CatalogLoad(serviceCount: counts.first ?? 10_000, endpointCount: counts.dropFirst().first ?? 10).run()
