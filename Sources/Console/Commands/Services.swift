import Arguments
import ControlAPI
import JSON
import Wire

extension Meshctl {
    private var servicesText: ServicesText { ServicesText(style: output.style) }

    func services() throws(Failure) {
        let list = try ask(.services(namespace: invocation.text("namespace"))) {
            if case .services(let list) = $0 { list } else { nil }
        }
        output.show(list.json, servicesText.lines(list))
    }

    func endpoints() throws(Failure) {
        let list = try ask(.endpoints(service: invocation.argument("SERVICE"))) {
            if case .endpoints(let list) = $0 { list } else { nil }
        }
        output.show(list.json, servicesText.lines(list))
    }

    func serviceAdd() throws(Failure) {
        let definition = try ServiceArguments(invocation).definition
        let addition = try ask(.serviceAdd(definition)) { if case .serviceAdded(let added) = $0 { added } else { nil } }
        output.show(addition.json, servicesText.lines(addition))
    }

    func serviceRemove() throws(Failure) {
        let removal = try ask(.serviceRemove(name: invocation.argument("SERVICE") ?? "")) {
            if case .serviceRemoved(let removal) = $0 { removal } else { nil }
        }
        output.show(removal.json, servicesText.lines(removal))
    }

    func serviceList() throws(Failure) {
        let list = try ask(.serviceList) { if case .services(let list) = $0 { list } else { nil } }
        output.show(list.json, servicesText.lines(list, areOfThisHost: true))
    }

    func serviceShow() throws(Failure) {
        let detail = try ask(.serviceShow(name: invocation.argument("SERVICE") ?? "")) {
            if case .service(let detail) = $0 { detail } else { nil }
        }
        output.show(detail.json, servicesText.lines(detail))
    }

    /// An answer without a record makes it a failure.
    func dnsLookup() throws(Failure) -> Int32 {
        let name = invocation.argument("NAME") ?? ""
        var question = NameQuestion(name, type: (invocation.argument("TYPE") ?? "A").uppercased())
        if let address = IPAddress(name), invocation.argument("TYPE") == nil {
            question = NameQuestion(address.reverseName, type: "PTR")
        }
        if let text = invocation.text("as") {
            guard let client = IPAddress(text) else {
                throw Failure(
                    .usage, "--as must be an address, not '\(text)'", nextStep: "give a container's, as in 172.17.0.2")
            }
            question.client = client
        }
        let answer = try ask(.nameLookup(question)) { if case .nameAnswer(let answer) = $0 { answer } else { nil } }
        output.show(answer.json, NamesText(style: output.style).lines(answer))
        return answer.answers.isEmpty ? Failure.Code.failed.exitCode : 0
    }

    func dnsCache() throws(Failure) {
        let cache = try ask(.nameCache(clear: invocation.has("clear"))) {
            if case .nameCache(let cache) = $0 { cache } else { nil }
        }
        output.show(cache.json, NamesText(style: output.style).lines(cache))
    }
}

extension IPAddress {
    /// The name under which its own name is looked up (RFC 1035 §3.5, RFC 3596 §2.5).
    var reverseName: String {
        switch self {
        case .v4: bytes.reversed().map { "\($0)." }.joined() + "in-addr.arpa"
        case .v6:
            bytes.reversed().map { byte in
                "\(String(byte & 15, radix: 16)).\(String(byte >> 4, radix: 16))."
            }.joined() + "ip6.arpa"
        }
    }
}
