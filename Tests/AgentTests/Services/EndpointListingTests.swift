import Agent
import ControlAPI
import Services
import Testing
import Wire

@Suite struct EndpointListingTests {
    @Test func `an endpoint of another node is shown with its mesh address, and shares follow weights`() {
        var world = ServiceWorld()
        world.set([.at("172.17.0.2"), .at("172.17.0.2", on: "far", weight: 3)])
        let endpoints = world.endpoints.list(of: .shop("web")).endpoints
        #expect(endpoints.map(\.address.description) == ["172.17.0.2", "172.17.0.2"])
        #expect(endpoints.map(\.reachedAt.description) == ["172.17.0.2", "10.130.7.2"])
        #expect(endpoints.map(\.node) == ["here", "far"])
        #expect(endpoints.map(\.verdicts) == [["25 %"], ["75 %"]])
        #expect(endpoints[0].ports.map(\.target) == [8080])
    }

    @Test func `what is not used says why`() {
        var world = ServiceWorld()
        world.set([
            .at("172.17.0.2"), .at("172.17.0.3", ready: false), .at("172.17.0.4", weight: 0),
            .at("172.17.0.5", ready: false, serving: true, terminating: true), .at("172.17.9.6", on: "dead"),
            .at("172.17.0.7", on: "far"), .at("fd00::8", on: nil),
        ])
        world.view.downEndpoints = [.init(node: "far", address: .literal("172.17.0.7"))]
        #expect(
            world.endpoints.list(of: .shop("web")).endpoints.flatMap(\.verdicts) == [
                "100 %", "it is not ready", "its weight is 0", "it is being shut down, and others are ready",
                "its node dead does not answer", "far says that it is down", "the service has no IPv6 address",
            ])
    }

    @Test func `a port that the endpoint does not name is told apart from one that it does`() {
        var world = ServiceWorld()
        world.set([.at("172.17.0.2")]) { service in
            service.ports = [.init(name: "http", port: 80), .init(name: "dns", transport: .udp, port: 53)]
        }
        let endpoint = world.endpoints.list(of: .shop("web")).endpoints[0]
        #expect(endpoint.verdicts == ["100 %", "it has no UDP port called dns"])
        #expect(endpoint.ports.map(\.target) == [8080, nil])
        #expect(endpoint.isUsed)
    }

    @Test func `policies, hints and preferences are named as reasons`() {
        var world = ServiceWorld()
        world.view.zone = "a"
        let members: [EndpointSlice.Member] = [.at("172.17.0.2", zone: "a"), .at("172.17.0.2", on: "far", zone: "b")]
        func reason(_ adapt: (inout Service) -> Void, _ members: [EndpointSlice.Member]) -> String? {
            var world = world
            world.set(members) { adapt(&$0) }
            return world.endpoints.list(of: .shop("web")).endpoints[1].ports[0].reason
        }
        #expect(
            reason({ $0.internalPolicy = .local }, members)
                == "only endpoints on this node serve (internalTrafficPolicy: Local)")
        #expect(reason({ $0.distribution = .preferSameNode }, members) == "endpoints on this node go first")
        #expect(reason({ $0.distribution = .preferSameZone }, members) == "endpoints in zone a go first")
        #expect(reason({ $0.distribution = .preferNearest }, members) == "nearer endpoints go first")
        var hinted = members
        hinted[0].zoneHints = ["a"]
        hinted[1].zoneHints = ["b"]
        #expect(reason({ _ in }, hinted) == "its hints are for zone b")
        hinted[0].nodeHints = ["here"]
        hinted[1].nodeHints = ["far"]
        #expect(reason({ _ in }, hinted) == "its hints are for node far")
        #expect(reason({ _ in }, members) == nil)
    }

    @Test func `a headless service leads to what is ready, and one that another program serves to nothing`() {
        var world = ServiceWorld()
        world.set(named: "names", at: nil, [.at("172.17.0.2", weight: 0), .at("172.17.0.3", ready: false)]) {
            $0.kind = .headless
        }
        #expect(
            world.endpoints.list(of: .shop("names")).endpoints.flatMap(\.verdicts) == ["by name", "it is not ready"])
        world.set([.at("172.17.0.2")]) { $0.isServedElsewhere = true }
        #expect(
            world.endpoints.list(of: .shop("web")).endpoints.flatMap(\.verdicts) == [
                "another program serves it (label service.kubernetes.io/service-proxy-name)"
            ])
        world.set([.at("172.17.0.2")]) { $0.bearsFilterLabel = true }
        #expect(world.endpoints.list(of: .shop("web")).endpoints[0].ports[0].reason?.hasPrefix("its label") == true)
    }

    @Test func `all endpoints together are counted beyond what one answer holds`() {
        var world = ServiceWorld()
        for number in 0..<6 {
            world.set(
                named: "s\(number)", at: "10.96.1.\(number)",
                (0..<2000).map { .at("10.1.\($0 / 250).\($0 % 250)", on: "far") })
        }
        let list = world.endpoints.list()
        #expect(list.endpoints.count == EndpointList.limit)
        #expect(list.total == 12_000)
    }
}
