import Datapath
import Mesh
import SansIO
import Wire

/// One end of a TLS stream: a link of a host.
struct StreamEnd: Hashable {
    let host: Int
    let link: UInt32
}

/// Something that happens to a stream when its time has come.
enum StreamStep {
    case answer(StreamEnd, target: Endpoint)
    case deliver([UInt8], StreamEnd)
    case end(StreamEnd)
}

// TLS streams: they lose nothing, keep the order, pass where UDP does not, and end with either host.
extension Simulation {
    /// Ends the streams of some hosts, and lets none come to stand any more.
    package func forbidStreams(of host: Host) {
        streamless.insert(host.index)
        closeStreams(of: host)
    }

    func open(_ end: StreamEnd, to target: Endpoint) {
        // There and back once for TCP, once for TLS.
        plans.add(.stream(.answer(end, target: target)), at: now + streamDelay * 4)
    }

    func send(_ bytes: [UInt8], along end: StreamEnd) {
        guard let other = streams[end] else { return }
        plans.add(.stream(.deliver(bytes, other)), at: now + streamDelay)
    }

    func close(_ end: StreamEnd) {
        guard let other = streams.removeValue(forKey: end) else { return }
        plans.add(.stream(.end(other)), at: now + streamDelay)
    }

    func closeStreams(of host: Host) {
        for end in streams.keys.filter({ $0.host == host.index }).sorted(by: { $0.link < $1.link }) {
            close(end)
            plans.add(.stream(.end(end)), at: now)
        }
    }

    func carryOut(_ step: StreamStep) {
        switch step {
        case .answer(let end, let target): answer(end, target)
        case .deliver(let bytes, let end): deliver(bytes, end)
        case .end(let end):
            streams[end] = nil
            let host = hosts[end.host]
            guard host.condition == .running else { return }
            with(host) { $0.linkClosed(end.link, at: $1) }
        }
    }

    private func answer(_ end: StreamEnd, _ target: Endpoint) {
        let opener = hosts[end.host]
        guard opener.condition == .running else { return }
        let taker = hosts.first { host in
            host.condition == .running && !streamless.contains(host.index)
                && host.node.configuration.streamPort == target.port
                && host.interfaces.contains { fabric.addresses(of: $0).contains(target.address) }
        }
        let source = opener.interfaces.first.flatMap { fabric.addresses(of: $0).first } ?? target.address
        var accepted: Link?
        if let taker, !streamless.contains(opener.index) {
            with(taker) { accepted = $0.acceptLink(.stream, from: Endpoint(source, port: 40_000), at: $1) }
        }
        guard let taker, let accepted else {
            with(opener) { $0.linkClosed(end.link, at: $1) }
            return
        }
        let other = StreamEnd(host: taker.index, link: accepted.number)
        streams[end] = other
        streams[other] = end
        with(opener) { $0.linkOpened(Link(number: end.link, kind: .stream, remote: target), at: $1) }
    }

    private func deliver(_ bytes: [UInt8], _ end: StreamEnd) {
        let host = hosts[end.host]
        guard host.condition == .running, streams[end] != nil else { return }
        let source = Endpoint.link(number: end.link, kind: .stream)
        let outcome = host.path.receive(bytes, from: source, localAddress: nil, at: now)
        carryOut(outcome, on: host, for: nil)
        settle(host)
    }
}
