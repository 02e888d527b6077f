import Crypto
package import Identity
package import SansIO
import Traversal
package import Wire

/// A question of ours to another node that is on its way.
struct PendingInquiry: Sendable {
    let peer: Int
    let token: UInt64
    let askedAt: Instant
}

// What operators ask about the way to a node, here and at other nodes.
extension Node {
    static let inquiryLimit = 64
    static let inquiryTime: Duration = .seconds(30)

    /// A node on the way to a peer, the peer itself last.
    package struct Hop: Equatable, Sendable {
        package var peer: Int
        package var name: String
        /// Where this node sends packets for the hop; `nil` for what a relay sends on.
        package var endpoint: Endpoint?
    }

    /// The hops that packets to a peer take at this moment, as far as this node knows them; none without a path.
    package func hops(to number: Int) -> [Hop] {
        guard let peer = peers[number], peer.hasSession, let path = peer.paths.current else { return [] }
        switch path {
        case .direct(let endpoint): return [Hop(peer: number, name: peer.name, endpoint: reached(endpoint))]
        case .relayed(let identifier):
            guard case .local(let circuit)? = circuits[identifier] else { return [] }
            var endpoint: Endpoint?
            if case .direct(let relay)? = peers[circuit.relay]?.paths.current { endpoint = reached(relay) }
            return [
                Hop(peer: circuit.relay, name: name(of: circuit.relay), endpoint: endpoint),
                Hop(peer: number, name: peer.name, endpoint: nil),
            ]
        }
    }

    /// The endpoint on the network that packets for `endpoint` go to.
    package func reached(_ endpoint: Endpoint) -> Endpoint {
        endpoint.link.flatMap { links[$0.number]?.remote } ?? endpoint
    }

    /// Asks a member why its way to a node is as it is; the event `explained` with this token is the answer.
    ///
    /// - Returns: whether the question could be sent.
    package mutating func inquire(of number: Int, about node: NodeID, token: UInt64, at now: Instant) -> Bool {
        guard peers[number]?.isMember == true, peers[number]?.hasSession == true else { return false }
        inquiries = inquiries.filter { now - $0.value.askedAt < Self.inquiryTime }
        guard inquiries.count < Self.inquiryLimit else { return false }
        let nonce = random.next()
        inquiries[nonce] = PendingInquiry(peer: number, token: token, askedAt: now)
        send(.extended(.inquiry, InquiryMessage.question(token: nonce, about: node).encoded), to: number, at: now)
        return true
    }

    mutating func receiveInquiry(_ payload: [UInt8], from number: Int, at now: Instant) {
        guard let message = try? InquiryMessage(parsing: payload) else {
            counters.malformedFrames += 1
            return
        }
        switch message {
        case .question(let nonce, let node):
            let answer = peerNumber(of: node).flatMap { explanation(of: $0, at: now) }
            send(.extended(.inquiry, InquiryMessage.answer(token: nonce, answer).encoded), to: number, at: now)
        case .answer(let nonce, let explanation):
            guard let inquiry = inquiries[nonce], inquiry.peer == number else {
                counters.unexpectedFrames += 1
                return
            }
            inquiries[nonce] = nil
            events(.explained(token: inquiry.token, explanation))
        }
    }
}
