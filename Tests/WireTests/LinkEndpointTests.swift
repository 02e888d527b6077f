import Testing
import Wire

@Suite struct LinkEndpointTests {
    @Test(arguments: [LinkKind.socket, .stream]) func `a link's endpoint gives back its number and kind`(
        _ kind: LinkKind
    ) {
        for number in [0, 1, 70_000, UInt32.max] {
            let endpoint = Endpoint.link(number: number, kind: kind)
            #expect(endpoint.link?.number == number)
            #expect(endpoint.link?.kind == kind)
            #expect(endpoint.address.isLinkRange)
        }
    }

    @Test func `no endpoint of the network is a link`() throws {
        for text in ["192.0.2.1:1", "[2001:db8::1]:1", "[100::]:1", "[100::3:0:0]:1", "[101::1:0:1]:1"] {
            #expect(try #require(Endpoint(text)).isLink == false)
        }
    }
}
