// Gives bytes to everything of `DNS` that reads bytes from outside.

import DNS
import Fuzzing
import SansIO
import Services
import Wire

/// The parsers and a resolver with zones and an upstream, as they stand behind a server's sockets.
@main
enum FuzzDNS {
    static func main() { Fuzzing.main(run) }

    private static let index: ZoneIndex = {
        var builder = ZoneBuilder()
        var service = Service(name: ServiceName(namespace: "default", name: "web"), kind: .headless)
        service.ports = [Service.Port(name: "http", port: 80)]
        var endpoint = ZoneEndpoint(.v4(IPv4Address(10, 244, 0, 1)))
        endpoint.zone = "east"
        endpoint.ports = [EndpointSlice.Port(name: "http", port: 8080)]
        builder.set(service, endpoints: [endpoint])
        builder.set(ZoneHost(name: "alpha", addresses: [.v4(IPv4Address(10, 128, 1, 1))]))
        return builder.snapshot(serial: 1)
    }()

    static func run(_ bytes: [UInt8]) {
        if let message = try? Message(parsing: bytes) {  // What is refused is of no further interest.
            precondition((try? Message(parsing: message.bytes)) != nil || message.bytes.count > 65535)
            _ = message.answers.map(\.description)
        }
        var settings = ResolverSettings()
        settings.forwarding.routes = [.init(.root, servers: [Endpoint(.v4(IPv4Address(192, 0, 2, 1)), port: 53)])]
        var resolver = Resolver(settings, random: SeededRandom(seed: 1), at: .zero)
        resolver.index = index
        _ = resolver.takeActions()
        var output: [UInt8] = []
        let client = Resolver.Client(.v4(IPv4Address(10, 244, 0, 1)), token: 1)
        if resolver.receive(bytes.span, from: client, at: .zero, into: &output) == .answered {
            precondition(output.count <= EDNS.payloadLimit)
            precondition((try? Message(parsing: output)) != nil, "an answer of ours does not parse")
        }
        for case .send(let exchange, let message, _) in resolver.takeActions() {
            // As an upstream's answer too, with the identifier and question that it has to have.
            resolver.receive(reply: bytes, of: exchange, at: .zero)
            var reply = Array(message.prefix(2)) + [0x81, 0x80] + bytes.dropFirst(4)
            resolver.receive(reply: reply, of: exchange, at: .zero)
            reply = message
            reply[2] = 0x81
            reply[7] = 1
            reply[11] = 0
            reply.removeLast(11)
            resolver.receive(reply: reply + bytes, of: exchange, at: .zero)
        }
        for case .answer(_, let message) in resolver.takeActions() {
            precondition(message.count <= EDNS.payloadLimit)
            precondition((try? Message(parsing: message)) != nil, "an answer of ours does not parse")
        }
    }
}
