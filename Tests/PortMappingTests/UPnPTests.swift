import SansIO
import Testing
import Wire

@testable import PortMapping

@Suite struct UPnPTests {
    @Test func `a gateway that knows no leases gets a permanent one, which is renewed all the same and deleted`() {
        var gateway = FakeGateway([.upnp])
        gateway.faults = [UPnPFault.onlyPermanentLeases]
        gateway.follow()
        gateway.run(for: .seconds(6))
        #expect(gateway.lease?.external.port == 20007)
        #expect(gateway.calls == ["GetExternalIPAddress", "AddPortMapping", "AddPortMapping"])
        gateway.run(for: .seconds(700))
        #expect(gateway.mapper.counts[.renewed] == 1)
        gateway.release()
        gateway.run(for: .seconds(1))
        #expect(gateway.mappings.isEmpty)
        #expect(gateway.calls.last == "DeletePortMapping")
    }

    @Test func `a port that somebody else holds is exchanged for another`() throws {
        var gateway = FakeGateway([.upnp])
        gateway.takenPorts = [20007]
        gateway.follow()
        gateway.run(for: .seconds(6))
        let lease = try #require(gateway.lease)
        #expect(lease.external.port != 20007)
        #expect(gateway.mappings[FakeGateway.host] == lease.external.port)
    }

    @Test func `a gateway that never has a free port is not asked for ever`() {
        var gateway = FakeGateway([.upnp])
        gateway.faults = [Int](repeating: UPnPFault.conflict, count: 100)
        gateway.follow()
        gateway.run(for: .seconds(20))
        #expect(gateway.problem == .refused(.upnp, .upnp(code: UPnPFault.conflict)))
        #expect(gateway.calls.count == 6)
    }

    @Test func `a pinhole that the gateway has forgotten is made anew`() {
        var gateway = FakeGateway([.upnp])
        gateway.follow([FakeGateway.target6])
        gateway.run(for: .seconds(6))
        gateway.faults = [UPnPFault.noSuchEntry]
        gateway.run(for: .seconds(700))
        #expect(gateway.calls == ["AddPinhole", "UpdatePinhole", "AddPinhole"])
        #expect(gateway.lease != nil)
    }

    @Test func `only the gateway itself is believed to be a gateway`() {
        var gateway = FakeGateway([])
        gateway.follow()
        let stranger = IPAddress.v4(IPv4Address(192, 168, 1, 66))
        func answer(at host: IPAddress) -> [UInt8] {
            Array(
                """
                HTTP/1.1 200 OK\r
                ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r
                LOCATION: http://\(host):5000/d.xml\r
                \r\n
                """.utf8)
        }
        let spoofs = [(stranger, stranger), (stranger, FakeGateway.address), (FakeGateway.address, stranger)]
        for (source, host) in spoofs {
            gateway.receive(answer(at: host), from: Endpoint(source, port: SSDP.port))
        }
        #expect(gateway.calls.isEmpty)
        gateway.mapper.receive(
            answer(at: FakeGateway.address), from: Endpoint(FakeGateway.address, port: 1900), at: gateway.now)
        let actions = gateway.mapper.takeActions()
        #expect(actions.count == 1)
    }

    @Test func `a description with its services anywhere else is refused`() throws {
        let source = HTTPLocation(Endpoint(FakeGateway.address, port: 5000), path: "/a/rootDesc.xml")
        let document = """
            <root><URLBase>http://192.168.1.1:49000/</URLBase><device><serviceList><service>
            <serviceType>urn:schemas-upnp-org:service:WANPPPConnection:1</serviceType>
            <controlURL>upnp/control?x=1&amp;y=2</controlURL></service></serviceList></device></root>
            """
        let description = try DeviceDescription(parsing: Array(document.utf8), from: source)
        let service = try #require(description.service(forIPv4: true))
        #expect(service.control == HTTPLocation("http://192.168.1.1:49000/upnp/control?x=1&y=2"))
        #expect(description.service(forIPv4: false) == nil)
    }

    @Test(arguments: [
        ("http://192.168.1.1:5000/x.xml", "192.168.1.1:5000", "/x.xml"), ("http://192.168.1.1", "192.168.1.1:80", "/"),
        ("HTTP://[fe80::1%25eth0]:80/a?b", "[fe80::1]:80", "/a?b"), ("http://[2001:db8::1]/", "[2001:db8::1]:80", "/"),
    ])
    func `links with an address are read`(text: String, endpoint: String, path: String) throws {
        let location = try #require(HTTPLocation(text))
        #expect(location.endpoint.description == endpoint)
        #expect(location.path == path)
    }

    @Test(arguments: [
        "https://192.168.1.1/", "http://router.lan/", "http://192.168.1.1:99999/", "http://192.168.1.1/a b",
        "http://192.168.1.1/a\r\nX: y", "ftp://192.168.1.1/", "http://[::1/", "http://]1[/", "",
    ])
    func `other links are not followed`(text: String) {
        #expect(HTTPLocation(text) == nil)
    }

    @Test func `replies are read with a length, in chunks, and up to the end`() {
        func parse(_ text: String, isClosed: Bool = false) -> HTTPReply.Progress {
            HTTPReply.parse(Array(text.utf8), isClosed: isClosed)
        }
        func body(_ progress: HTTPReply.Progress) -> String? {
            if case .complete(let reply) = progress { String(decoding: reply.body, as: UTF8.self) } else { nil }
        }
        let head = "HTTP/1.1 200 OK\r\n"
        #expect(body(parse(head + "Content-Length: 3\r\n\r\nabcd")) == "abc")
        #expect(parse(head + "Content-Length: 3\r\n\r\nab") == .incomplete)
        #expect(parse(head + "Content-Length: 3\r\n\r\nab", isClosed: true) == .malformed)
        #expect(parse(head + "Content-Length: 99999999\r\n\r\nab") == .malformed)
        #expect(parse(head + "\r\nabc") == .incomplete)
        #expect(body(parse(head + "\r\nabc", isClosed: true)) == "abc")
        let chunked = head + "Transfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n2\r\nde\r\n"
        #expect(parse(chunked) == .incomplete)
        #expect(body(parse(chunked + "0\r\n\r\n")) == "abcde")
        #expect(parse(head + "Transfer-Encoding: chunked\r\n\r\nfffffffff\r\n") == .malformed)
        #expect(parse("SSH-2.0-x\r\n\r\n") == .malformed)
    }

    @Test func `a document type, and elements nested without end, are refused`() {
        func read(_ text: String) throws(WireError) -> Int {
            var reader = XMLReader(Array(text.utf8))
            var count = 0
            while try reader.next() != nil { count += 1 }
            return count
        }
        #expect(throws: WireError.self) { try read("<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>") }
        #expect(throws: WireError.self) { try read(String(repeating: "<a>", count: 100)) }
        #expect(throws: WireError.self) { try read("<a></b>") }
        #expect(throws: WireError.self) { try read("<a><b>") }
        #expect(throws: WireError.self) { try read("<a") }
        #expect(throws: WireError.self) { try read("<!-- a") }
        #expect((try? read("<?xml?><!-- c --><a x='1'><b/><![CDATA[<c>]]></a>")) == 5)
    }
}
