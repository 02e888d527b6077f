import SansIO
import Services
import Testing
import Wire

/// What a catalog answers depends on what its sources said last, not on who spoke first.
@Suite struct CatalogPropertyTests {
    @Test(arguments: 0..<40 as Range<UInt64>)
    func `the order in which sources speak does not matter`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let sources = [
            SourceID.api, .manifests, SourceID(.manifests, node: "b"), SourceID(.containers, node: "a"),
            SourceID(.containers, node: "b"), SourceID(.commands, node: "c"),
        ]
        var changes = sources.map { source in
            CatalogChange.everything(Self.objects(using: &random), from: source)
        }
        var answers: [Answer] = []
        for _ in 0..<4 {
            var catalog = Catalog(ownNode: "nobody", serviceRanges: [IPPrefix(literal: "10.96.0.0/24")])
            for change in changes {
                // What was said before the last word leaves no trace.
                if Bool.random(using: &random) {
                    _ = catalog.apply(.everything(Self.objects(using: &random), from: change.source), at: 5)
                }
                _ = catalog.apply(change, at: 5)
            }
            answers.append(Answer(catalog))
            changes.shuffle(using: &random)
        }
        #expect(answers.allSatisfy { $0 == answers[0] })
        #expect(!answers[0].services.isEmpty)
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func `a delta names every service that answers differently, and no other`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var catalog = Catalog(ownNode: "here", serviceRanges: [IPPrefix(literal: "10.96.0.0/26")])
        let sources = [SourceID.api, .manifests, .containers]
        for _ in 0..<60 {
            let before = Answer(catalog)
            let source = sources.randomElement(using: &random) ?? .api
            let objects = Self.objects(using: &random)
            let delta =
                Bool.random(using: &random)
                ? catalog.apply(CatalogChange(source, .update(objects)), at: 5)
                : catalog.apply(CatalogChange(source, .delete(objects.map(\.key))), at: 5)
            let after = Answer(catalog)
            let different = Set(before.names + after.names).filter {
                before.services[$0] != after.services[$0] || before.endpoints[$0] != after.endpoints[$0]
            }
            #expect(different.isSubset(of: delta.services), "a change was not told")
            // A slice may change without a visible difference (an entry that is shadowed), a definition may not.
            #expect(Set(delta.services).isSubset(of: Set(before.names + after.names)))
            #expect(after.reverse == after.expectedReverse)
        }
    }

    @Test func `names of the dead are let go and the living keep theirs`() {
        var catalog = Catalog(ownNode: "here")
        _ = catalog.apply(
            CatalogChange(.api, .update([.slice(.sample("stays", of: "web", [Self.pod(0), Self.pod(1)]))])), at: 1)
        for round in 0..<200 {
            let members = (0..<100).map { Self.pod(1000 + round * 100 + $0) }
            _ = catalog.apply(CatalogChange(.api, .update([.slice(.sample("churns", of: "web", members))])), at: 1)
        }
        #expect(catalog.keptNameCount < 10_000, "20,200 names have passed")
        let names = catalog.endpoints(of: ServiceName("web")).compactMap(\.member.targetName)
        #expect(Set(names.prefix(100)) == Set((0..<100).map { "pod-\(20_900 + $0)" }))
        #expect(names.suffix(2) == ["pod-0", "pod-1"])
        let delta = catalog.apply(CatalogChange(.api, .delete([.slice(namespace: "shop", name: "churns")])), at: 1)
        #expect(delta.services == [ServiceName("web")])
        #expect(catalog.endpoints(of: ServiceName("web")).count == 2)
    }

    private static func pod(_ number: Int) -> EndpointSlice.Member {
        var member = EndpointSlice.Member.at("10.1.\(number / 250 % 250).\(1 + number % 250)", on: "node-\(number % 7)")
        member.targetName = "pod-\(number)"
        member.zoneHints = ["zone-\(number % 3)"]
        return member
    }

    private static func objects(using random: inout SeededRandom) -> [CatalogObject] {
        (0..<6).map { _ -> CatalogObject in
            let name = ["a", "b", "c", "d"].randomElement(using: &random) ?? "a"
            if Bool.random(using: &random) {
                let fixed = Bool.random(using: &random) ? ["10.96.0.\(Int.random(in: 1...6, using: &random))"] : []
                var service = Service.sample(name, at: fixed)
                service.claim.since = UInt64.random(in: 1...3, using: &random)
                service.publishesNotReady = Bool.random(using: &random)
                return .service(service)
            }
            let members = (0..<Int.random(in: 0...3, using: &random)).map { _ in
                EndpointSlice.Member.at(
                    "10.1.0.\(Int.random(in: 1...5, using: &random))", on: ["a", "b"].randomElement(using: &random),
                    ready: Bool.random(using: &random))
            }
            return .slice(.sample("s\(Int.random(in: 0...2, using: &random))", of: name, members))
        }
    }
}

/// All that a catalog answers about the services of these tests.
private struct Answer: Equatable {
    var names: [ServiceName]
    var services: [ServiceName: Service] = [:]
    var endpoints: [ServiceName: [ServiceEndpoint]] = [:]
    var reverse: [IPAddress: [ServiceName]] = [:]
    var expectedReverse: [IPAddress: [ServiceName]] = [:]

    init(_ catalog: Catalog) {
        names = ["a", "b", "c", "d"].map { ServiceName($0) }
        for name in names {
            services[name] = catalog.service(name)
            endpoints[name] = catalog.endpoints(of: name)
            guard services[name] != nil else { continue }
            for address in Set(catalog.endpoints(of: name).map(\.member.address)) {
                expectedReverse[address, default: []].append(name)
                reverse[address] = catalog.services(withEndpoint: address)
            }
        }
    }
}
