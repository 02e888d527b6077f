import Glibc
import Testing
import Wire

@testable import Linux

struct PortHolderTests {
    @Test(arguments: ["127.0.0.1:0", "[::1]:0"])
    func `a port is held by this process, over UDP and not over TCP`(wanted: String) throws {
        let socket = try UDPSocket(asking: try #require(Endpoint(wanted)))
        let holder = try #require(PortHolder.find(socket.localEndpoint, isStream: false))
        #expect(holder.process == Int(getpid()))
        #expect(holder.description.hasSuffix("(process \(getpid()))"))
        if geteuid() == 0 { #expect(holder.user == "root") }
        #expect(PortHolder.find(socket.localEndpoint, isStream: true) == nil)
    }

    @Test func `a listener at every address holds the port of each`() throws {
        let listener = try TCPListener(try #require(Endpoint("0.0.0.0:0")))
        let port = listener.endpoint.port
        let holder = PortHolder.find(Endpoint(.v4(IPv4Address(127, 0, 0, 9)), port: port), isStream: true)
        #expect(holder?.process == Int(getpid()))
    }

    @Test func `where the process may not be seen its user is named`() {
        let holder = PortHolder(process: nil, name: nil, user: "unbound")
        #expect(holder.description == "a program of user unbound")
    }
}
