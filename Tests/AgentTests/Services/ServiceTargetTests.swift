import Agent
import ControlAPI
import Services
import Testing
import Wire

@Suite struct ServiceTargetTests {
    @Test(
        arguments: [
            ("web", nil, "web"), ("web.shop", "shop", "web"), ("shop/web", "shop", "web"),
            ("web.shop.svc", "shop", "web"),
            ("WEB.shop.svc.cluster.local.", "shop", "web"),
        ] as [(String, String?, String)])
    func `a service is named in each of the ways that people write it`(
        _ text: String, _ namespace: String?, _ name: String
    ) {
        #expect(ServiceTarget(text)?.subject == .service(namespace: namespace, name: name))
        #expect(ServiceTarget(text)?.port == nil)
    }

    @Test func `ports stand behind names and addresses`() throws {
        let named = try #require(ServiceTarget("web.shop:http"))
        #expect(named.subject == .service(namespace: "shop", name: "web") && named.port == .name("http"))
        let numbered = try #require(ServiceTarget("shop/web:53/udp"))
        #expect(numbered.subject == .service(namespace: "shop", name: "web"))
        #expect(numbered.port == .number(53) && numbered.transport == .udp)
        let address = try #require(ServiceTarget("[fd96::10]:53/UDP"))
        #expect(address.subject == .address(.literal("fd96::10")))
        #expect(address.port == .number(53) && address.transport == .udp)
        #expect(ServiceTarget("10.96.0.10:443")?.port == .number(443))
        for bare in ["fd96::10", "[fd96::10]"] {
            #expect(ServiceTarget(bare)?.subject == .address(.literal("fd96::10")))
        }
    }

    @Test(arguments: [
        "", ".", "-web", "web..shop", "web.shop.pod", "web.shop.svc.example.org", "web:", "web:0", "web:70000",
        "a/b/c", "10.96.0.10:0", "10.96.0.10:http x", "[10.96.0.10]", "web.shop:80/tcp/udp",
    ])
    func `what is neither is refused`(_ text: String) {
        #expect(ServiceTarget(text) == nil)
    }

    @Test func `a short name is the service in default, else the only one of that name`() {
        var world = ServiceWorld()
        world.set([])
        #expect(world.catalog.service(meantBy: "web") == .success(.shop("web")))
        world.tell(.update([.service(Service(name: .init(namespace: "test", name: "web")))]))
        #expect(
            world.catalog.service(meantBy: "web")
                == .failure(
                    Failure(
                        .usage, "2 services are called web: web.shop, web.test",
                        nextStep: "name one of them with its namespace")))
        let own = ServiceName(namespace: "default", name: "web")
        world.tell(.update([.service(Service(name: own))]))
        #expect(world.catalog.service(meantBy: "web") == .success(own))
    }

    @Test func `a name that nothing has is answered with the nearest`() {
        var world = ServiceWorld()
        world.set(named: "checkout", [])
        #expect(
            world.catalog.service(meantBy: "chekout")
                == .failure(
                    Failure(
                        .failed, "no service is called chekout; did you mean checkout?",
                        nextStep: "see meshctl services")))
        #expect(
            world.catalog.service(meantBy: "checkout.shpo")
                == .failure(
                    Failure(
                        .failed, "no service is called checkout.shpo; did you mean checkout.shop?",
                        nextStep: "see meshctl services")))
        guard case .failure(let failure) = world.catalog.service(meantBy: "edge-8", otherNames: ["edge-7"]) else {
            Issue.record("it is no service")
            return
        }
        #expect(failure.message == "no service or node is called edge-8; did you mean edge-7?")
    }
}
