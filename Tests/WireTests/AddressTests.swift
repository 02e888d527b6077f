import Testing
import Wire

@Suite struct AddressTests {
    @Test(arguments: [
        ("198.18.1.2", true), ("10.0.0.1", true), ("0.0.0.0", false), ("0.1.2.3", false), ("127.0.0.1", false),
        ("223.255.255.255", true), ("224.0.0.1", false), ("240.0.0.1", false), ("255.255.255.255", false),
        ("2001:db8::1", true), ("fd00::1", true), ("::", false), ("::1", false), ("ff02::1", false),
        ("::ffff:198.18.1.2", false),
    ]) func `an address of one other host is told from the rest`(_ text: String, _ isUnicast: Bool) throws {
        #expect(try #require(IPAddress(text)).isUnicast == isUnicast)
    }

    @Test(arguments: [
        ("198.18.1.2", false), ("10.0.0.1", true), ("172.16.0.1", true), ("172.32.0.1", false), ("192.168.1.1", true),
        ("100.64.0.1", true), ("100.128.0.1", false), ("169.254.169.254", true), ("127.0.0.1", true),
        ("2001:db8::1", false), ("fd00::1", true), ("fe80::1", true), ("::1", true), ("::ffff:10.0.0.1", true),
        ("64:ff9b::10.0.0.1", true), ("64:ff9b::127.0.0.1", true), ("64:ff9b::198.18.1.2", false),
        ("64:ff9b:1::198.18.1.2", true), ("64:ff9b:2::10.0.0.1", false),
    ]) func `a private address is told from one of the Internet, behind a translator too`(
        _ text: String, _ isPrivate: Bool
    ) throws {
        #expect(try #require(IPAddress(text)).isPrivate == isPrivate)
    }

    @Test(arguments: [
        ("::", "::"), ("::1", "::1"), ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
        ("2001:DB8::0001", "2001:db8::1"), ("fd00:1:2:3:4:5:6:7", "fd00:1:2:3:4:5:6:7"),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.1"), ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"),
        ("64:ff9b::10.0.0.1", "64:ff9b::a00:1"),
    ])
    func `an IPv6 address is read in any form and written as RFC 5952 wants it`(
        _ text: String, _ canonical: String
    ) throws {
        #expect(try #require(IPv6Address(text)).description == canonical)
    }

    @Test(arguments: [
        "", ":", ":::", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "12345::", "g::", "::1.2.3", "1.2.3.4::",
        "::+1",
        "1:2:3:4:5:6:7:8::", "fe80::1%eth0",
    ])
    func `text that is no IPv6 address is refused`(_ text: String) {
        #expect(IPv6Address(text) == nil)
    }

    @Test(arguments: ["", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1..2.3", "+1.2.3.4", "1.2.3.4 ", "0x1.2.3.4"])
    func `text that is no IPv4 address is refused`(_ text: String) {
        #expect(IPv4Address(text) == nil)
    }

    @Test func `a prefix holds its own addresses and no others`() throws {
        let prefix = try #require(IPPrefix("10.128.5.0/24"))
        #expect(prefix.contains(try #require(IPAddress("10.128.5.255"))))
        #expect(!prefix.contains(try #require(IPAddress("10.128.6.0"))))
        #expect(!prefix.contains(try #require(IPAddress("::ffff:10.128.5.1"))))
        #expect(prefix.address(at: 1)?.description == "10.128.5.1")
        #expect(prefix.address(at: 256) == nil)
        #expect(IPPrefix("10.128.5.1/24") == nil, "host bits must be zero")
        #expect(try #require(IPPrefix("::/0")).contains(try #require(IPAddress("ffff::1"))))
        #expect(try #require(IPPrefix("fd00::/64")).overlaps(try #require(IPPrefix("fd00::1:0/112"))))
    }

    @Test(arguments: ["192.0.2.1:20007", "[2001:db8::1]:443", "0.0.0.0:0"])
    func `an endpoint survives its text form`(_ text: String) throws {
        #expect(try #require(Endpoint(text)).description == text)
    }

    @Test(arguments: [
        "192.0.2.1", "192.0.2.1:", "192.0.2.1:65536", "2001:db8::1:443", "[192.0.2.1]:1", "[::1]", "x:1", "1.2.3.4:+5",
    ])
    func `text that is no endpoint is refused`(_ text: String) {
        #expect(Endpoint(text) == nil)
    }

    @Test func `endpoints and prefixes survive the wire, and are refused when cut at any length`() throws {
        var writer = ByteWriter()
        let endpoint = try #require(Endpoint("[2001:db8::7]:53"))
        let prefix = try #require(IPPrefix("10.9.0.0/16"))
        writer.append(endpoint)
        writer.append(prefix)
        let bytes = writer.bytes
        var reader = ByteReader(bytes.span)
        let (readEndpoint, readPrefix) = (try reader.readEndpoint(), try reader.readPrefix())
        #expect(readEndpoint == endpoint)
        #expect(readPrefix == prefix)
        try reader.finish()
        for length in bytes.indices {
            let cut = Array(bytes[..<length])
            var reader = ByteReader(cut.span)
            var failure: WireError?
            do {
                _ = try reader.readEndpoint()
                _ = try reader.readPrefix()
            } catch {
                failure = error
            }
            #expect(failure == .truncated)
        }
    }
}
