import Linux
import SansIO
import Services
import Testing
import Wire

@testable import Agent

/// What load balancers are told of this node's endpoints.
@Suite struct HealthCheckPortsTests {
    private let name = ServiceName(namespace: "shop", name: "web")

    @Test(arguments: [(0, "HTTP/1.1 503 Service Unavailable"), (3, "HTTP/1.1 200 OK")])
    func `the status tells whether there is an endpoint, the body how many`(_ count: Int, _ status: String) {
        let text = String(decoding: HealthCheckPorts.response(.init(service: name, readyCount: count)), as: UTF8.self)
        #expect(text.hasPrefix(status + "\r\n"))
        #expect(text.contains("X-Load-Balancing-Endpoint-Weight: \(count)\r\n"))
        let body = text.split(separator: "\r\n\r\n").last.map(String.init) ?? ""
        #expect(
            body == "{\"service\":{\"namespace\":\"shop\",\"name\":\"web\"},\"localEndpoints\":\(count),"
                + "\"serviceProxyHealthy\":true}")
        #expect(text.contains("Content-Length: \(body.utf8.count)\r\n"))
    }

    @Test(arguments: [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", true), ("GET / HTTP/1.0\n\n", true),
        ("GET / HTTP/1.1\r\nHost: a\r\n", false),
        ("", false), ("\n", false),
    ])
    func `a request ends with an empty line`(_ text: String, _ isWhole: Bool) {
        #expect(HealthCheckPorts.isWhole(Array(text.utf8)) == isWhole)
    }

    @Test func `a client is answered, and a port that is taken is told`() throws {
        let holder = try TCPListener(Endpoint(.v4(.any), port: 0))
        let free = try TCPListener(Endpoint(.v4(.any), port: 0)).endpoint.port
        let ports = try HealthCheckPorts()
        ports.set([
            free: .init(service: name, readyCount: 1), holder.endpoint.port: .init(service: name, readyCount: 1),
        ])
        #expect(ports.problems.keys.sorted() == [holder.endpoint.port])
        let client = try TCPSocket.connect(to: Endpoint(.v4(IPv4Address(127, 0, 0, 1)), port: free))
        var answer: [UInt8] = []
        var isSent = false
        var readiness: [ReadinessSet.Event] = []
        let waiting = try ReadinessSet()
        try waiting.add(client.descriptor, token: 1)
        for _ in 0..<1000 where answer.isEmpty {
            if !isSent, case .bytes? = try? client.descriptor.send(Array("GET / HTTP/1.0\r\n\r\n".utf8)[...]) {
                isSent = true
            }
            ports.ready(at: SystemClock.now)
            waiting.wait(&readiness, milliseconds: 1)
            if !readiness.isEmpty { _ = try client.descriptor.read(into: &answer, limit: 4096) }
        }
        #expect(String(decoding: answer, as: UTF8.self).hasPrefix("HTTP/1.1 200 OK"))
        ports.stop()
    }
}
