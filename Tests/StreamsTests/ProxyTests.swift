import Testing
import Wire

@testable import Streams

@Suite struct ProxyConversationTests {
    private let relay = Endpoint("198.51.100.7:443")!
    private let proxy = HTTPProxy(host: "proxy.example", port: 3128, credentials: "user:pass word")

    @Test func `the request names the relay and carries the credentials`() {
        let request = String(decoding: ProxyConversation(to: relay, through: proxy).request, as: UTF8.self)
        #expect(
            request == "CONNECT 198.51.100.7:443 HTTP/1.1\r\nHost: 198.51.100.7:443\r\n"
                + "Proxy-Authorization: Basic dXNlcjpwYXNzIHdvcmQ=\r\n\r\n")
        let sixth = ProxyConversation(to: Endpoint("[2001:db8::7]:443")!, through: HTTPProxy(host: "p", port: 1))
        #expect(String(decoding: sixth.request, as: UTF8.self).hasPrefix("CONNECT [2001:db8::7]:443 HTTP/1.1\r\n"))
        #expect(!String(decoding: sixth.request, as: UTF8.self).contains("Authorization"))
    }

    @Test func `an answer may come byte by byte, and what follows it is the relay's`() throws {
        var conversation = ProxyConversation(to: relay, through: proxy)
        for byte in "HTTP/1.1 200 Connection established\r\nVia: 1.1 p\r\n\r".utf8 {
            #expect(try conversation.receive([byte]) == nil)
        }
        #expect(try conversation.receive([10, 22, 3]) == [22, 3])
    }

    @Test(arguments: [
        ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", ProxyConversation.Failure.refused(status: 407)),
        ("HTTP/1.0 403 Forbidden\r\nContent-Length: 3\r\n\r\nno!", .refused(status: 403)),
        ("SSH-2.0-OpenSSH\r\n\r\n", .malformed), ("HTTP/1.1 2000 what\r\n\r\n", .malformed), ("\r\n\r\n", .malformed),
    ])
    func `a refusal is told apart from nonsense`(answer: String, failure: ProxyConversation.Failure) {
        var conversation = ProxyConversation(to: relay, through: proxy)
        #expect(throws: failure) { try conversation.receive(Array(answer.utf8)[...]) }
    }

    @Test func `an answer without an end is not kept for ever`() {
        var conversation = ProxyConversation(to: relay, through: proxy)
        let flood = [UInt8](repeating: UInt8(ascii: "a"), count: ProxyConversation.answerLimit + 1)
        #expect(throws: ProxyConversation.Failure.malformed) { try conversation.receive(flood[...]) }
    }
}

@Suite struct ProxyExceptionsTests {
    @Test func `addresses and prefixes are excepted, names are passed over`() {
        let exceptions = ProxyExceptions("localhost, 192.0.2.1,10.0.0.0/8 .example.org,2001:db8::/32")
        #expect(exceptions.contains(IPAddress("192.0.2.1")!))
        #expect(exceptions.contains(IPAddress("10.9.9.9")!))
        #expect(exceptions.contains(IPAddress("2001:db8::5")!))
        #expect(!exceptions.contains(IPAddress("192.0.2.2")!))
        #expect(ProxyExceptions("*").contains(IPAddress("192.0.2.2")!))
    }
}
