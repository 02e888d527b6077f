import Configuration
import ControlAPI
import DNS
import Identity
import Linux
import Mesh
import NameService
import SansIO
import Services
import Wire

// Requests of `meshctl` about services and names.
extension Agent {
    func answer(aboutServices request: Request, on connection: ControlServer.ConnectionID) -> Reply? {
        guard let mesh else { return .failure(Self.isDown) }
        switch request {
        case .serviceAdd(let definition): return add(definition, on: mesh)
        case .serviceRemove(let name): return remove(name, on: mesh)
        case .nameLookup(let question): return beginLookup(question, on: mesh, connection)
        case .nameCache(let clear): return beginListingNames(clear: clear, on: mesh, connection)
        default: return answers(on: mesh).reply(to: request)
        }
    }

    private func answers(
        on mesh: MeshService, _ surroundings: ServiceExplanation.Surroundings? = nil
    ) -> ServiceAnswers {
        let keeper = mesh.services
        return ServiceAnswers(
            catalog: keeper.catalog, planner: keeper.planner, surroundings ?? self.surroundings(of: mesh))
    }

    private var clusterDomain: String { configuration.dns.clusterDomain.description }

    // MARK: what commands keep

    private func add(_ definition: ServiceDefinition, on mesh: MeshService) -> Reply {
        let keeper = mesh.services
        do throws(Failure) {
            let addition = try CommandSource(catalog: keeper.catalog, view: keeper.planner.view).add(definition)
            apply(addition.change, on: mesh)
            let listing = ServiceListing(catalog: keeper.catalog, planner: keeper.planner)
            guard let info = listing.info(of: addition.name) else { return .done }
            return .serviceAdded(
                ServiceAddition(info, isReplaced: addition.isReplaced, notices: addition.notices))
        } catch {
            return .failure(error)
        }
    }

    private func remove(_ name: String, on mesh: MeshService) -> Reply {
        let keeper = mesh.services
        do throws(Failure) {
            let source = CommandSource(catalog: keeper.catalog, view: keeper.planner.view)
            let removal = try source.remove(name, clusterDomain: clusterDomain)
            apply(removal.change, on: mesh)
            return .serviceRemoved(removal.reply)
        } catch {
            return .failure(error)
        }
    }

    private func apply(_ change: CatalogChange, on mesh: MeshService) {
        let now = SystemClock.now
        _ = withMesh { mesh in
            mesh.services.apply([change], at: now, by: &mesh.host.rules)
            mesh.services.saveNow(at: now)
        }
    }

    // MARK: names

    private func beginLookup(
        _ question: NameQuestion, on mesh: MeshService, _ connection: ControlServer.ConnectionID
    ) -> Reply? {
        guard let name = DomainName(question.name) else {
            return .failure(
                Failure(
                    .usage, "\"\(question.name)\" is no DNS name",
                    nextStep: "write labels of at most 63 characters, with dots"))
        }
        guard let type = RecordType(question.type), !type.isMeta else {
            return .failure(
                Failure(
                    .usage, "there are no records of type \(question.type)",
                    nextStep: "use A, AAAA, SRV, PTR, TXT or so"))
        }
        guard let server = mesh.services.names.server else { return .failure(Self.isNameless(mesh)) }
        Task {
            let answer = await server.lookup(name, type, as: question.client)
            control.reply(.nameAnswer(NameAnswer(question, answer)), to: connection)
        }
        return nil
    }

    private func beginListingNames(
        clear: Bool, on mesh: MeshService, _ connection: ControlServer.ConnectionID
    ) -> Reply? {
        guard let server = mesh.services.names.server else { return .failure(Self.isNameless(mesh)) }
        Task {
            let answers = await server.cachedAnswers()
            if clear { server.clearCache() }
            control.reply(.nameCache(NameCache(answers, isCleared: clear)), to: connection)
        }
        return nil
    }

    private static func isNameless(_ mesh: MeshService) -> Failure {
        Failure(
            .failed, mesh.services.names.problem ?? "no name server runs on this node",
            nextStep: "set dns.enabled in config.yaml, and restart meshd")
    }

    // MARK: why

    enum ServiceExplaining {
        case now(Reply)
        /// The reply comes once the name server has answered.
        case later
        /// It is about an address that has nothing to do with services.
        case nothing
    }

    /// Why a client of this node does or does not get a service. Where its name is part of it, the name server is asked first,
    /// as a client would.
    func beginExplainingService(
        _ target: String, on mesh: MeshService, _ connection: ControlServer.ConnectionID
    ) -> ServiceExplaining {
        let surroundings = surroundings(of: mesh)
        guard case .served = surroundings.names, let server = mesh.services.names.server,
            let name = nameToAsk(for: target, mesh), let type = RecordType(name.type),
            let domain = DomainName(name.name)
        else {
            let reply = answers(on: mesh, surroundings).reply(to: .why(from: nil, to: target))
            return reply.map { .now($0) } ?? .nothing
        }
        Task {
            let answer = await server.lookup(domain, type)
            guard let mesh = self.mesh else {
                control.reply(.failure(Self.isDown), to: connection)
                return
            }
            var surroundings = self.surroundings(of: mesh)
            surroundings.names = .answered(NameAnswer(name, answer))
            let reply = answers(on: mesh, surroundings).reply(to: .why(from: nil, to: target))
            control.reply(reply ?? .failure(Self.unknown(target)), to: connection)
        }
        return .later
    }

    /// The question that a client of a service asks, by the first family of the service; `nil` where no name is meant.
    private func nameToAsk(for target: String, _ mesh: MeshService) -> NameQuestion? {
        let catalog = mesh.services.catalog
        guard let parsed = ServiceTarget(target, clusterDomain: clusterDomain),
            case .service(let namespace, let name) = parsed.subject,
            case .success(let service) = catalog.service(named: name, in: namespace)
        else { return nil }
        let address = catalog.service(service)?.clusterIPs.first ?? catalog.endpoints(of: service).first?.member.address
        return NameQuestion(
            ServiceExplanation.dnsName(of: service, clusterDomain: clusterDomain),
            type: address?.isIPv4 == false ? "AAAA" : "A")
    }

    private func surroundings(of mesh: MeshService) -> ServiceExplanation.Surroundings {
        var surroundings = ServiceExplanation.Surroundings()
        surroundings.clusterDomain = clusterDomain
        surroundings.nodeNames = mesh.node.peerStatuses.map(\.name)
        surroundings.names = mesh.services.names.standing
        surroundings.rules = mesh.services.problems["services"].map { .failed($0) } ?? .inForce
        surroundings.path = { name in
            guard let peer = mesh.node.peer(named: name),
                let explanation = mesh.node.explanation(of: peer, at: SystemClock.now)
            else { return nil }
            return ServiceExplanation.NodePath(
                ControlAPI.Explanation(explanation, from: mesh.node.identity.name.description, to: name))
        }
        return surroundings
    }
}
