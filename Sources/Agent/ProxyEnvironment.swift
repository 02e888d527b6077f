import Glibc
import Streams
import Wire

/// What the environment of the process says of proxies, as curl and others read it: `https_proxy` and `no_proxy`, or the same in
/// capitals.
struct ProxyEnvironment {
    let proxy: HTTPProxy?
    let exceptions: ProxyExceptions
    /// The value of `https_proxy` is nothing that can be used.
    let isUnreadable: Bool

    init(_ variable: (String) -> String?) {
        func value(_ name: String) -> String? {
            [name, name.uppercased()].lazy.compactMap(variable).first { !$0.isEmpty }
        }
        let text = value("https_proxy")
        proxy = text.flatMap { HTTPProxy($0.hasURLScheme ? $0 : "http://\($0)") }
        exceptions = ProxyExceptions(value("no_proxy") ?? "")
        isUnreadable = text != nil && proxy == nil
    }

    static var current: ProxyEnvironment {
        ProxyEnvironment { name in unsafe getenv(name).map { unsafe String(cString: $0) } }
    }
}
