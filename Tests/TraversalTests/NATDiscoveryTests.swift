import STUN
import SansIO
import Simulator
import Testing
import Wire

@testable import Traversal

/// A host behind a gateway, members and servers on the internet, and the discovery that runs there.
private struct Scene {
    private static let nonce = STUNMessage(.indication, STUNTransaction(high: 0x2112_a442_0000_0001, low: 7)).encoded
    private static let hostIndex = 0

    var fabric: Fabric
    var random = SeededRandom(seed: 1)
    var discovery: NATDiscovery
    var report: NATFamilyReport?
    private let interface: Fabric.InterfaceID
    private let address: IPAddress
    private var outside: [IPAddress: Fabric.InterfaceID] = [:]
    private var servers: [IPAddress: STUNServer] = [:]
    /// A stock server's two addresses and two ports (RFC 5780).
    private let stock: (Endpoint, Endpoint)?
    private let members: [IPAddress]
    private(set) var now = Instant.zero + .seconds(100)
    private let startedAt = Instant.zero + .seconds(100)
    private var dials: [NATDiscovery.FilterTest: Int] = [:]
    private var missesAt: [(test: NATDiscovery.FilterTest, at: Instant)] = []
    /// What a helper says at the start, of what an earlier discovery asked of it.
    var lateOutcome: NATDiscovery.DialOutcome?

    init(
        _ behavior: NATBehavior?, members: [String] = ["198.51.100.1", "203.0.113.1"], helpers: [String]? = nil,
        stock: (String, String)? = nil, sockets: Int = 5, blocksUDP: Bool = false
    ) {
        fabric = Fabric(seed: 5)
        fabric.transit.delay = .milliseconds(20)
        if let behavior {
            let gateway = fabric.addGateway(behavior, at: IPAddress("198.18.2.2")!)
            fabric.setBlocksUDP(blocksUDP, at: gateway.gateway)
            address = IPAddress("192.168.1.2")!
            interface = fabric.addInterface(of: Self.hostIndex, in: gateway.inside, addresses: [address])
        } else {
            address = IPAddress("198.18.2.3")!
            interface = fabric.addInterface(of: Self.hostIndex, in: Fabric.internet, addresses: [address])
        }
        self.members = members.map { IPAddress($0)! }
        self.stock = stock.map { (Endpoint($0.0)!, Endpoint($0.1)!) }
        let addresses =
            self.members + (helpers ?? []).map { IPAddress($0)! }
            + [self.stock?.0.address, self.stock?.1.address].compactMap { $0 }
        for (index, outer) in addresses.enumerated() where outside[outer] == nil {
            outside[outer] = fabric.addInterface(of: index + 1, in: Fabric.internet, addresses: [outer])
            servers[outer] = STUNServer(at: now)
        }
        let observers =
            self.members.enumerated().map {
                NATDiscovery.Observer(Endpoint($1, port: 20007), member: $0)
            } + (self.stock.map { [NATDiscovery.Observer($0.0)] } ?? [])
        let dialers = helpers.map { $0.map { IPAddress($0)! } } ?? self.members
        let all = self.members + dialers.filter { !members.contains($0.description) }
        discovery = NATDiscovery(
            .init(
                isIPv4: true, sockets: (0..<sockets).map { (number: $0 + 1, port: UInt16(40_000 + 7 * $0)) },
                local: [address], observers: observers,
                helpers: dialers.map { address in
                    NATDiscovery.Helper(member: all.firstIndex(of: address) ?? 0, addresses: [address])
                }, gateways: []))
    }

    var elapsed: Duration { now - startedAt }

    /// Runs to the end.
    mutating func run() -> NATFamilyReport? {
        carryOut(discovery.start(at: now, using: &random))
        if let lateOutcome { carryOut(discovery.dialled(.otherAddress, lateOutcome)) }
        while report == nil {
            let due = [fabric.nextDeadline, discovery.nextDeadline, missesAt.map(\.at).min()].compactMap { $0 }.min()
            guard let due else { break }
            now = max(now, due)
            while let arrival = fabric.nextArrival(at: now) { receive(arrival) }
            for miss in missesAt where miss.at <= now { carryOut(discovery.dialled(miss.test, .missed)) }
            missesAt.removeAll { $0.at <= now }
            carryOut(discovery.advance(to: now, using: &random))
        }
        return report
    }

    private mutating func carryOut(_ actions: [NATDiscovery.Action]) {
        for action in actions {
            switch action {
            case .send(let bytes, let socket, let target):
                let source = Endpoint(address, port: UInt16(40_000 + 7 * (socket - 1)))
                fabric.send(bytes, from: source, to: target, outOf: interface, by: Self.hostIndex, at: now)
            case .dialBack(let test, let member, let target):
                let all = members + outside.keys.filter { !members.contains($0) }.sorted()
                guard let from = outside[all[member]] else { continue }
                dials[test, default: 0] += 1
                fabric.send(
                    Self.nonce, from: Endpoint(all[member], port: UInt16(50_000 + dials.count)), to: target,
                    outOf: from, by: 1, at: now)
                missesAt.append((test, now + .milliseconds(1500)))
            case .done(let report): self.report = report
            }
        }
    }

    private mutating func receive(_ arrival: Fabric.Arrival) {
        guard arrival.host == Self.hostIndex else { return answer(arrival) }
        if arrival.bytes == Self.nonce {
            let test: NATDiscovery.FilterTest =
                missesAt.contains { $0.test == .otherPort } && arrival.source.address == members.first
                ? .otherPort : .otherAddress
            guard let index = missesAt.firstIndex(where: { $0.test == test }) else { return }
            missesAt.remove(at: index)
            carryOut(discovery.dialled(test, .arrived(from: arrival.source)))
            return
        }
        let socket = (Int(arrival.target.port) - 40_000) / 7 + 1
        carryOut(discovery.receive(arrival.bytes, from: arrival.source, on: socket, at: now, using: &random))
    }

    /// A member, or a stock server with its second address.
    private mutating func answer(_ arrival: Fabric.Arrival) {
        guard let message = try? STUNMessage(parsing: arrival.bytes), message.kind == .request else { return }
        guard let stock, [stock.0.address, stock.1.address].contains(arrival.target.address) else {
            guard arrival.target.port == 20007,
                let bytes = try? servers[arrival.target.address]?.answer(
                    arrival.bytes, from: arrival.source, to: arrival.target, isServed: true, at: now)
            else { return }
            return send(bytes, from: arrival.target, to: arrival.source)
        }
        var source = arrival.target
        let change = message.changeRequest ?? []
        let isFirst = arrival.target.address == stock.0.address
        let other = Endpoint(
            isFirst ? stock.1.address : stock.0.address,
            port: arrival.target.port == stock.0.port ? stock.1.port : stock.0.port)
        if change.contains(.address) { source.address = other.address }
        if change.contains(.port) { source.port = other.port }
        let reply = STUNMessage(
            .success, message.transaction, [.xorMappedAddress(arrival.source), .otherAddress(other)])
        send(reply.encoded, from: source, to: arrival.source)
    }

    private mutating func send(_ bytes: [UInt8], from source: Endpoint, to target: Endpoint) {
        guard let outer = outside[source.address] else { return }
        fabric.send(bytes, from: source, to: target, outOf: outer, by: 1, at: now)
    }
}

@Suite struct NATDiscoveryTests {
    private func report(_ behavior: NATBehavior?, stock: (String, String)? = nil) -> NATFamilyReport? {
        var scene = Scene(behavior, members: stock == nil ? ["198.51.100.1", "203.0.113.1"] : [], stock: stock)
        let report = scene.run()
        #expect(scene.elapsed < .seconds(3))
        return report
    }

    @Test(arguments: [
        (NATBehavior.fullCone, MappingBehavior.endpointIndependent, FilteringBehavior.endpointIndependent),
        (.restricted, .endpointIndependent, .addressDependent),
        (.portRestricted, .endpointIndependent, .addressAndPortDependent),
        (.home, .endpointIndependent, .addressAndPortDependent),
        (.symmetric, .endpointDependent, .addressAndPortDependent),
    ])
    func `members find out the kind of NAT`(
        _ behavior: NATBehavior, _ mapping: MappingBehavior, _ filtering: FilteringBehavior
    ) {
        let report = report(behavior)
        #expect(report?.connectivity == .works)
        #expect(report?.mapping == .known(mapping))
        #expect(report?.filtering == .known(filtering))
        #expect(report?.hairpin == .known(false))
    }

    @Test(arguments: NATBehavior.Dependence.allCases, NATBehavior.Dependence.allCases)
    func `a stock server with two addresses tells everything of RFC 4787`(
        _ mapping: NATBehavior.Dependence, _ filtering: NATBehavior.Dependence
    ) {
        let report = report(
            NATBehavior(mapping: mapping, filtering: filtering), stock: ("198.51.100.9:3478", "203.0.113.9:3479"))
        #expect(report?.mapping.value?.rawValue == mapping.rawValue)
        #expect(report?.filtering.value?.rawValue == filtering.rawValue)
    }

    @Test func `a host with a public address is told so, and whether a firewall is there`() {
        let open = report(nil)
        #expect(open?.mapping == .known(.none) && open?.filtering == .known(.endpointIndependent))
        #expect(open?.hairpin == .unknown(.notTranslated) && open?.ports == .unknown(.notTranslated))
    }

    @Test func `how ports are chosen shows in the mappings of several sockets`() {
        let patterns: [(NATBehavior, (NATPorts.Pattern?) -> Bool)] = [
            (.home, { $0 == .preserved }),
            (.predictable, { if case .sequential(stride: let stride)? = $0 { stride >= 1 } else { false } }),
            (.carrier, { if case .block(let size)? = $0 { (64...2048).contains(size) } else { false } }),
            (.portRestricted, { $0 == .random }),
        ]
        for (behavior, isExpected) in patterns {
            let ports = report(behavior)?.ports.value
            #expect(isExpected(ports?.pattern), "\(behavior): \(String(describing: ports))")
            #expect(ports?.sampleCount == 5)
        }
    }

    @Test func `a NAT that bends back is noticed`() {
        var behavior = NATBehavior.home
        behavior.isHairpinning = true
        #expect(report(behavior)?.hairpin == .known(true))
    }

    @Test func `with one observer it says what cannot be known`() {
        var scene = Scene(.portRestricted, members: ["198.51.100.1"])
        let report = scene.run()
        #expect(report?.mapping == .unknown(.oneObserver))
        #expect(report?.filtering == .known(.addressAndPortDependent))
        var open = Scene(.fullCone, members: ["198.51.100.1"])
        #expect(open.run()?.filtering == .known(.notPortDependent))
        var alone = Scene(.home, members: [])
        #expect(alone.run()?.connectivity == .untested(.noObserver))
    }

    @Test func `when nobody answers UDP is blocked, and that is known in time`() {
        var scene = Scene(.home, blocksUDP: true)
        let report = scene.run()
        #expect(report?.connectivity == .blocked(asked: 2))
        #expect(scene.elapsed < .seconds(3))
    }

    @Test func `an observer that is dead does not hold up the others`() {
        var scene = Scene(.restricted, members: ["198.51.100.1", "203.0.113.1", "203.0.113.77"])
        let report = scene.run()
        #expect(report?.mapping == .known(.endpointIndependent))
        #expect(scene.elapsed < .seconds(4))
    }

    @Test func `an answer to a discovery before this one neither counts nor holds it up`() {
        var scene = Scene(.fullCone)
        scene.lateOutcome = .missed
        #expect(scene.run()?.filtering == .known(.endpointIndependent))
        #expect(scene.elapsed < .seconds(3))
    }

    @Test(arguments: [0, nil] as [Int?])
    func `a member cannot have others asked by naming them as its second address; a server may`(member: Int?) {
        let observer = Endpoint("198.51.100.1:20007")!
        let other = Endpoint("203.0.113.66:53")!
        let now = Instant.zero + .seconds(100)
        var random = SeededRandom(seed: 1)
        var discovery = NATDiscovery(
            .init(
                isIPv4: true, sockets: [(number: 1, port: 40_000), (number: 2, port: 40_007)],
                local: [IPAddress("192.168.1.2")!], observers: [.init(observer, member: member)], helpers: [],
                gateways: []))
        var targets: [Endpoint] = []
        var actions = discovery.start(at: now, using: &random)
        while let action = actions.popLast() {
            guard case .send(let bytes, let socket, let target) = action else { continue }
            targets.append(target)
            guard target == observer, let request = try? STUNMessage(parsing: bytes) else { continue }
            let answer = STUNMessage(
                .success, request.transaction,
                [.xorMappedAddress(Endpoint("198.18.2.2:40000")!), .otherAddress(other)])
            actions += discovery.receive(answer.encoded, from: observer, on: socket, at: now, using: &random)
        }
        #expect(targets.contains(other) == (member == nil))
        #expect(targets.contains(observer))
    }

    @Test func `nothing that comes in unasked changes the result or stops the discovery`() {
        var scene = Scene(.restricted)
        var random = SeededRandom(seed: 9)
        _ = scene.discovery.start(at: scene.now, using: &random)
        for step in 0..<5000 {
            let count = Int.random(in: 0...160, using: &random)
            var bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
            if step % 2 == 0 {
                let kind = STUNMessage.Kind.allCases.randomElement(using: &random) ?? .success
                bytes =
                    STUNMessage(kind, STUNTransaction(using: &random), [.mappedAddress(Endpoint("1.2.3.4:5")!)]).encoded
            }
            let actions = scene.discovery.receive(
                bytes, from: Endpoint("198.51.100.1:20007")!, on: step % 6, at: scene.now, using: &random)
            #expect(actions.isEmpty)
        }
    }
}
