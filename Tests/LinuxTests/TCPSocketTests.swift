import Linux
import Testing
import Wire

struct TCPSocketTests {
    @Test func `a connection comes from the address that is named`() throws {
        let listener = try TCPListener(Endpoint("127.0.0.1:0")!)
        let readiness = try ReadinessSet()
        try readiness.add(listener.descriptor, token: 1)
        let client = try TCPSocket.connect(to: listener.endpoint, from: IPAddress("127.0.0.9"))
        var events: [ReadinessSet.Event] = []
        readiness.wait(&events, milliseconds: 2000)
        let server = try #require(try listener.accept())
        #expect(server.remote.address == IPAddress("127.0.0.9"))
        try client.checkConnected()
    }
}
