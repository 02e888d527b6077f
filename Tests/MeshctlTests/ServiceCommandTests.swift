import ControlAPI
import JSON
import Testing
import Wire

/// The built program's commands about services and names, against an agent that answers as it is told.
@Suite struct ServiceCommandTests {
    let workspace: Workspace
    let service = ServiceInfo(namespace: "shop", name: "web", kind: .clusterIP)

    init() throws { workspace = try Workspace() }

    private func agent() throws -> FakeAgent {
        let service = service
        let question = NameQuestion("web", type: "A")
        return try FakeAgent(at: workspace.socket) { request in
            let reply: Reply =
                switch request {
                case .services, .serviceList: .services(ServiceList([service]))
                case .endpoints: .endpoints(EndpointList())
                case .serviceAdd: .serviceAdded(ServiceAddition(service, isReplaced: false))
                case .serviceRemove: .serviceRemoved(ServiceRemoval(namespace: "shop", name: "web"))
                case .serviceShow: .service(ServiceDetail(service, EndpointList()))
                case .nameLookup: .nameAnswer(NameAnswer(question, code: "NXDOMAIN", origin: "zone", duration: .zero))
                case .nameCache(let clear): .nameCache(NameCache(isCleared: clear))
                default: .failure(Failure(.failed, "unexpected"))
                }
            return reply.line
        }
    }

    @Test func `each command asks the agent for what it names`() throws {
        let agent = try agent()
        let commands: [(String, Request)] = [
            ("services", .services(namespace: nil)), ("services -n shop", .services(namespace: "shop")),
            ("endpoints", .endpoints(service: nil)), ("endpoints web.shop", .endpoints(service: "web.shop")),
            ("service list", .serviceList), ("service show web", .serviceShow(name: "web")),
            ("service rm web.shop", .serviceRemove(name: "web.shop")), ("dns cache", .nameCache(clear: false)),
            ("dns cache --clear", .nameCache(clear: true)),
        ]
        for (line, request) in commands {
            let outcome = try workspace.meshctl(line)
            #expect(outcome.exitCode == 0, "\(line): \(outcome.errors)")
            #expect(agent.requests.last == request)
        }
        var definition = ServiceDefinition(namespace: "shop", name: "web")
        definition.ports = [.init(port: 80, target: 8080)]
        definition.containers = ["nginx"]
        let added = try workspace.meshctl("service add web.shop --port 80:8080 --container nginx")
        #expect(added.output == "web.shop is added, 0 of 0 endpoints ready.\n")
        #expect(agent.requests.last == .serviceAdd(definition))
    }

    @Test func `a name that has no answer is a failure, and an address is looked up backwards`() throws {
        let agent = try agent()
        #expect(try workspace.meshctl("dns lookup web srv --as 172.17.0.2").exitCode == 1)
        #expect(
            agent.requests.last
                == .nameLookup(NameQuestion("web", type: "SRV", client: IPAddress("172.17.0.2"))))
        #expect(try workspace.meshctl("dns lookup 10.96.0.5").output.contains("NXDOMAIN"))
        #expect(agent.requests.last == .nameLookup(NameQuestion("5.0.96.10.in-addr.arpa", type: "PTR")))
        let count = agent.requests.count
        let refused = try workspace.meshctl("dns lookup web --as nobody")
        #expect(refused.exitCode == 64 && refused.errors.contains("--as must be an address"))
        #expect(agent.requests.count == count)
    }

    @Test func `JSON holds the reply as the agent gave it`() throws {
        let agent = try agent()
        let output = try workspace.meshctl("--json services").output
        #expect(try ServiceList(json: JSONCursor(JSONValue(parsing: output))) == ServiceList([service]))
        let refused = try workspace.meshctl("--json service add web --port http")
        #expect(refused.exitCode == 64)
        let error = try JSONCursor(JSONValue(parsing: refused.errors)).member("error")
        #expect(try error.member("code").string() == "usage")
        #expect(agent.requests.count == 1)
    }
}
