import Glibc
import Netlink
import Testing
import Wire

@Suite(.enabled(if: isRoot, needsRoot)) struct RouteEventsTests {
    @Test func `changes of links, addresses and routes arrive in order`() throws {
        let host = try Namespace("h")
        try host.perform {
            let events = try RouteEvents()
            #expect(try events.read().isEmpty)
            try host.run("ip", "link", "add", "mesh0", "type", "veth", "peer", "name", "far0")
            try host.run("ip", "link", "set", "mesh0", "up")
            try host.run("ip", "addr", "add", "10.130.7.1/32", "dev", "mesh0")
            try host.run("ip", "route", "add", "10.128.0.0/9", "dev", "mesh0", "proto", "158")
            try host.run("ip", "route", "del", "10.128.0.0/9", "dev", "mesh0")
            try host.run("ip", "addr", "del", "10.130.7.1/32", "dev", "mesh0")
            try host.run("ip", "link", "del", "mesh0")
            let seen = try events.read()
            let range = try #require(IPPrefix("10.128.0.0/9"))
            let steps: [(RouteEvent) -> Bool] = [
                { if case .linkChanged(let link) = $0 { link.name == "mesh0" && link.isUp } else { false } },
                { if case .addressAdded(let added) = $0 { added.prefixLength == 32 } else { false } },
                { if case .routeAdded(let route) = $0 { route.destination == range && route.isOurs } else { false } },
                { if case .routeRemoved(let route) = $0 { route.destination == range } else { false } },
                { if case .addressRemoved(let removed) = $0 { removed.prefixLength == 32 } else { false } },
                { if case .linkRemoved(let link) = $0 { link.name == "mesh0" } else { false } },
            ]
            let places = steps.map { step in seen.firstIndex(where: step) }
            #expect(places.allSatisfy { $0 != nil })
            #expect(places.compactMap { $0 } == places.compactMap { $0 }.sorted())
            #expect(try events.read().isEmpty)
        }
    }

    @Test func `lost notices are told as one that everything must be read anew`() throws {
        let host = try Namespace("h")
        let flood = (0..<4000).map { "route add 10.\($0 / 250).\($0 % 250).0/24 dev lo" }.joined(separator: "\n")
        try host.perform {
            let events = try RouteEvents()
            var small: Int32 = 16_384
            let size = socklen_t(MemoryLayout<Int32>.size)
            #expect(unsafe setsockopt(events.fileDescriptor, SOL_SOCKET, SO_RCVBUFFORCE, &small, size) == 0)
            try host.run("ip", "-batch", "-", input: flood)
            var seen: [RouteEvent] = []
            while case let some = try events.read(), !some.isEmpty { seen += some }
            #expect(seen.contains(.resync))
        }
    }
}
