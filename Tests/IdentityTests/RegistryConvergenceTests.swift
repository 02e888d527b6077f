import Crypto
import SansIO
import Testing
import Wire

@testable import Identity

/// Registries that hear the same things in any order must agree.
@Suite struct RegistryConvergenceTests {
    private enum News {
        case record(NodeRecord)
        case revocation(Revocation)
    }

    @Test(arguments: 1...12 as ClosedRange<UInt8>)
    func `whatever the order, the same nodes count for the same reasons`(_ seed: UInt8) throws {
        let (mesh, news) = try conflicts(seed: seed)
        var random = SeededRandom(seed: UInt64(seed))
        let expected = try summary(of: news, mesh: mesh, limit: 100)
        #expect(expected.contains { $0.contains("refused") }, "the scene has no conflict")
        #expect(expected.contains { $0.contains("admitted") })
        for _ in 0..<12 {
            let shuffled = news.shuffled(using: &random)
            #expect(try summary(of: shuffled, mesh: mesh, limit: 100) == expected, "seed \(seed)")
        }
    }

    @Test(arguments: 1...6 as ClosedRange<UInt8>)
    func `whatever the order, a full registry keeps the same nodes`(_ seed: UInt8) throws {
        let (mesh, news) = try conflicts(seed: seed, renewals: false)
        let records = news.filter { if case .record = $0 { true } else { false } }
        var random = SeededRandom(seed: UInt64(seed))
        let expected = try summary(of: records, mesh: mesh, limit: 7)
        #expect(expected.count == 7)
        for _ in 0..<12 {
            #expect(try summary(of: records.shuffled(using: &random), mesh: mesh, limit: 7) == expected, "seed \(seed)")
        }
    }

    /// Nodes that fight for four names, four subnets and few uses; some vouched for, some revoked.
    private func conflicts(seed: UInt8, renewals: Bool = true) throws -> (MeshDescription, [News]) {
        var fixture = Fixture(seed: seed)
        var random = SeededRandom(seed: 1000 + UInt64(seed))
        let tokens = try (0..<3).map { index in
            try fixture.token(
                Fixture.terms(uses: UInt32(2 + index)) {
                    $0.pool = IPPrefix(index == 2 ? "10.200.0.0/16" : "10.199.0.0/22")
                })
        }
        var news: [News] = []
        for index in 0..<16 {
            let token = tokens[index % 3]
            let joinedAt = Fixture.now + .seconds(Int.random(in: 0..<4, using: &random))
            var node = try fixture.join("edge-\(Int.random(in: 0..<9, using: &random))", token, at: joinedAt)
            let isVouchedFor = index % 4 == 0
            if renewals || !isVouchedFor { news.append(.record(node.record(number: 1))) }
            if isVouchedFor {
                let vouched = try #require(
                    fixture.issuer.renew(node.chain, at: Fixture.now, lifetime: .seconds(86_400)))
                let adopted = node.adopt(vouched)
                #expect(adopted)
                news.append(.record(node.record(number: 2)))
            }
            if index % 7 == 3 {
                let revocation = fixture.issuer.revoke(
                    .node(node.nodeID), reason: "gone", at: Fixture.now, until: Fixture.now + .seconds(86_400))
                news.append(.revocation(revocation))
            }
        }
        return (fixture.mesh, news)
    }

    private func summary(of news: [News], mesh: MeshDescription, limit: Int) throws -> [String] {
        var registry = Registry(mesh: mesh, limit: limit)
        var admissions: [NodeID: Registry.Admission] = [:]
        for item in news {
            let changes: [Registry.Change]
            switch item {
            case .record(let record):
                let outcome = try registry.insert(record, now: Fixture.now)
                changes = outcome.changes
                admissions[record.nodeID] = registry.admission(of: record.nodeID)
            case .revocation(let revocation): changes = try registry.insert(revocation, now: Fixture.now)
            }
            for change in changes { admissions[change.node] = change.admission }
            // What was told step by step adds up to what the registry says.
            for (node, admission) in admissions where registry.admission(of: node) != nil {
                #expect(registry.admission(of: node) == admission)
            }
        }
        let nodes = Set(news.compactMap { if case .record(let record) = $0 { record.nodeID } else { nil } })
        return nodes.sorted().compactMap { node in registry.admission(of: node).map { "\(node) \($0)" } }
    }
}
