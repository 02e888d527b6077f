import Testing
import Wire

@Suite struct HTTPProxyTests {
    @Test(arguments: [
        ("http://proxy.example:8080", HTTPProxy(host: "proxy.example", port: 8080)),
        ("http://proxy.example", HTTPProxy(host: "proxy.example", port: 3128)),
        ("HTTP://192.0.2.1:3128/", HTTPProxy(host: "192.0.2.1", port: 3128)),
        ("http://[2001:db8::1]:80", HTTPProxy(host: "2001:db8::1", port: 80)),
        ("http://user:p%40ss%3A@proxy:1", HTTPProxy(host: "proxy", port: 1, credentials: "user:p@ss:")),
        ("http://us@er:a@proxy:1", HTTPProxy(host: "proxy", port: 1, credentials: "us@er:a")),
    ])
    func `a proxy is read from its URL`(text: String, proxy: HTTPProxy) throws {
        #expect(HTTPProxy(text) == proxy)
        #expect(HTTPProxy(proxy.description) == proxy)
    }

    @Test(arguments: [
        "", "proxy:3128", "https://proxy", "socks5://proxy", "http://", "http://:80", "http://proxy:0",
        "http://proxy:x",
        "http://proxy:80/path", "http://user@proxy", "http://a:%0d%0aX@proxy", "http://a:%4@proxy", "http://pro xy",
        "http://[192.0.2.1]:80", "http://proxy:99999",
    ])
    func `what is none is refused`(text: String) {
        #expect(HTTPProxy(text) == nil)
    }

    @Test func `the name shows no credentials`() {
        #expect(HTTPProxy("http://user:secret@proxy:1")?.name == "proxy:1")
    }

    @Test func `a scheme is told from a host with a port`() {
        for url in ["http://proxy", "h2+x://a", "HTTPS://a:1"] { #expect(url.hasURLScheme) }
        for other in ["proxy:3128", "", "://a", "/path?of=http://a", "1http://a", ":"] { #expect(!other.hasURLScheme) }
    }
}
