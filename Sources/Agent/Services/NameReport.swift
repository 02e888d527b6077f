import ControlAPI
import DNS
import Linux
import NameService
import ServiceSources
import Wire

// What the name server says, in the words of the control protocol.

extension NameRecord {
    init(_ record: ResourceRecord) {
        self.init("\(record.name)", ttlSeconds: Int(record.ttl), "\(record.type)", "\(record.data)")
    }
}

extension NameAnswer {
    init(_ question: NameQuestion, _ lookup: NameLookup) {
        let origin =
            switch lookup.origin {
            case .zone: "zone"
            case .cache: "cache"
            case .upstream: "upstream"
            }
        self.init(question, code: "\(lookup.code)", origin: origin, duration: lookup.took)
        answers = lookup.answers.map(NameRecord.init)
        authorities = lookup.authorities.map(NameRecord.init)
        extendedError = lookup.extendedError.map(Self.words)
    }

    /// Those of RFC 8914 §4 that a forwarder meets.
    static func words(_ code: UInt16) -> String {
        switch code {
        case 3: "the answer is stale: no other server could be reached to renew it"
        case 13: "an earlier failure is remembered"
        case 14: "the server is not ready yet"
        case 15, 16, 17: "the name is blocked"
        case 18: "another server refuses to answer this host"
        case 19: "that there is no such name is stale: no other server could be reached to ask again"
        case 20: "another server is not meant to answer"
        case 22: "no other server can be reached"
        case 23: "the network to other servers fails"
        default: "extended error \(code) of RFC 8914"
        }
    }
}

extension NameCache {
    init(_ answers: [CachedAnswer], isCleared: Bool) {
        let shown = isCleared ? [] : answers.sorted { ("\($0.name)", "\($0.type)") < ("\($1.name)", "\($1.type)") }
        self.init(
            shown.prefix(Self.limit).map { answer in
                Entry(
                    "\(answer.name)", "\(answer.type)", code: "\(answer.code)", secondsLeft: answer.secondsLeft,
                    hitCount: UInt64(answer.hits), records: answer.records.map(NameRecord.init))
            }, total: answers.count, isCleared: isCleared)
    }
}

extension ServiceStatus.Names {
    init(_ status: NameServerStatus) {
        self.init()
        listening = status.listening
        nameCount = status.nameCount
        cachedCount = status.cachedCount
        upstreams = status.upstreams.map { upstream in
            let doubt = upstream.leadsBack ? " (leads back here)" : upstream.isDown ? " (silent)" : ""
            return "\(upstream.endpoint)\(doubt)"
        }
        problems = status.problems.map { Notice($0.description) }
        taken = status.problems.compactMap { problem in
            guard case .portTaken(let endpoint, let transport, let holder) = problem, holder?.process == nil else {
                return nil
            }
            return TakenPort(endpoint, isStream: transport == "TCP")
        }
    }
}

extension NameKeeper {
    /// How names are answered, for explanations.
    var standing: ServiceExplanation.Names {
        guard let server else { return problem.map { .failed($0) } ?? .absent }
        let status = server.status
        return status.listening.isEmpty
            ? .failed(status.problems.first?.description ?? "it does not listen yet") : .served
    }

    /// For `meshctl status`; `nil` where no name server is to run.
    var status: ServiceStatus.Names? {
        if let server { return ServiceStatus.Names(server.status) }
        guard let problem else { return nil }
        var names = ServiceStatus.Names()
        names.problems = [Notice(problem)]
        return names
    }
}

extension ServiceKeeper {
    /// The section on services of `meshctl status`, with this host's manifests and container runtimes first.
    func status(beside sources: SourcesState) -> ServiceStatus {
        var status = ServiceStatusReport(catalog: catalog, planner: planner).status
        status.sources.insert(contentsOf: sources.described, at: 0)
        status.problems.insert(contentsOf: problems.sorted { $0.key < $1.key }.map { Notice($0.value) }, at: 0)
        status.names = names.status
        return status
    }
}
