import SansIO
import Testing
import Wire

@testable import DNS

@Suite struct DomainNameTests {
    @Test(arguments: [
        ("a.b", "a.b."), ("a.b.", "a.b."), (".", "."), (#"a\.b.c"#, #"a\.b.c."#), (#"\000\255x"#, #"\000\255x."#),
        ("UPPER.case", "UPPER.case."), ("_http._tcp.web", "_http._tcp.web."),
    ])
    func `text becomes a name and the same text again`(text: String, canonical: String) throws {
        let name = try #require(DomainName(text))
        #expect(name.description == canonical)
        #expect(DomainName(canonical) == name)
    }

    @Test(arguments: [
        "", "a..b", ".a", #"a\25"#, #"a\999"#, #"a\"#, String(repeating: "x", count: 64),
        Array(repeating: String(repeating: "y", count: 63), count: 4).joined(separator: "."),
    ])
    func `what is no name is refused`(text: String) {
        #expect(DomainName(text) == nil)
    }

    @Test func `the longest name has 255 bytes`() throws {
        let labels = Array(repeating: String(repeating: "y", count: 63), count: 3)
        let longest = (labels + [String(repeating: "z", count: 61)]).joined(separator: ".")
        #expect(try #require(DomainName(longest)).wire.count == 255)
        #expect(DomainName("a." + longest) == nil)
        #expect(try #require(DomainName(longest)).prepending("a") == nil)
    }

    @Test func `case does not count`() throws {
        let (one, other) = (try #require(DomainName("Www.Example.COM")), try #require(DomainName("wWw.example.com")))
        #expect(one == other && one.hashValue == other.hashValue && one.wire != other.wire)
        #expect(one != DomainName("www.example.org"))
    }

    @Test func `a name lies in its ancestors only`() throws {
        let name = try #require(DomainName("a.B.c"))
        for ancestor in ["a.b.c", "b.C", "c", "."] { #expect(name.isWithin(try #require(DomainName(ancestor)))) }
        for other in ["x.a.b.c", "b", "bb.c", "a.b"] { #expect(!name.isWithin(try #require(DomainName(other)))) }
        // A label that ends in the bytes of another name is not below it.
        let tricky = DomainName(checked: [4] + Array("x".utf8) + [1] + Array("bc".utf8) + [0])
        #expect(!tricky.isWithin(try #require(DomainName("bc"))))
        #expect(name.relative(to: try #require(DomainName("c"))) == DomainName("a.b"))
        #expect(name.relative(to: try #require(DomainName("d"))) == nil)
    }

    @Test func `any bytes survive as text`() throws {
        var random = SeededRandom(seed: 11)
        for _ in 0..<500 {
            let labels = (0..<Int.random(in: 1...4, using: &random)).map { _ in
                (0..<Int.random(in: 1...20, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
            }
            let name = try #require(DomainName(labels: labels))
            #expect(DomainName(name.description)?.wire == name.wire)
        }
    }
}

@Suite struct ReverseNameTests {
    @Test func `addresses have names, and names addresses`() throws {
        let four = try #require(IPAddress("10.96.0.1"))
        #expect(DomainName(reverse: four) == DomainName("1.0.96.10.in-addr.arpa"))
        let six = try #require(IPAddress("2001:db8::567:89ab"))
        // RFC 3596 §2.5's example is of this form.
        #expect(
            DomainName(reverse: six)
                == DomainName("b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"))
        for address in [four, six] {
            #expect(ReverseName(lowercased: DomainName(reverse: address).wire) == .address(address))
        }
    }

    @Test func `parts of an address are blocks`() throws {
        let cut = try #require(DomainName("96.10.in-addr.arpa"))
        #expect(ReverseName(lowercased: cut.wire) == .block(try #require(IPPrefix("10.96.0.0/16"))))
        let other = try #require(DomainName("d.f.ip6.arpa"))
        #expect(ReverseName(lowercased: other.wire) == .block(try #require(IPPrefix("fd00::/8"))))
    }

    @Test(arguments: [
        "256.0.0.10.in-addr.arpa", "01.0.0.10.in-addr.arpa", "x.in-addr.arpa", "1.2.3.4.5.in-addr.arpa", "10.ip6.arpa",
        "g.ip6.arpa", "arpa", "1.0.0.10.in-addr.arpa.example", "in-addr.example",
    ])
    func `other names are none`(text: String) throws {
        #expect(ReverseName(lowercased: try #require(DomainName(text)).wire) == nil)
    }

    @Test(arguments: [
        ("10.1.2.3", "10-1-2-3"), ("fd00::1", "fd00--1"), ("::1", "0--1"), ("fd00::", "fd00--0"),
        ("2001:db8:0:1:2:3:4:5", "2001-db8-0-1-2-3-4-5"), ("::", "0--0"), ("::ffff:1.2.3.4", "0--ffff-102-304"),
    ])
    func `an address makes one label that neither begins nor ends in a hyphen`(text: String, label: String) throws {
        let address = try #require(IPAddress(text))
        #expect(DashedAddress.label(of: address) == label)
        #expect(DashedAddress.address(of: Array(label.utf8)[...]) == address)
    }

    @Test(arguments: ["web", "1-2-3", "1-2-3-256", "a", "-", "--", "1-2-3-4-5"])
    func `a label that is no address is none`(label: String) {
        #expect(DashedAddress.address(of: Array(label.utf8)[...]) == nil || label == "--")
    }
}
