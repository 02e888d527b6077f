import CLinux
import Glibc
package import Wire

/// A refusal by the kernel: which call, on what, and why.
package struct SystemError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The call and its object, such as "bind 0.0.0.0:20007".
    package let call: String
    /// The error number, positive.
    package let code: Int32

    package init(_ call: String, code: Int32) {
        self.call = call
        self.code = code
    }

    /// The symbolic name, such as "EADDRINUSE".
    package var name: String { unsafe String(cString: linux_error_name(code)) }

    /// The system's text, such as "Address already in use".
    package var text: String { unsafe String(cString: linux_error_text(code)) }

    package var description: String { "\(call): \(text) (\(name))" }

    /// Turns the `-errno` of a `CLinux` call into an error, and passes any other result on.
    @discardableResult
    static func check<Result: SignedInteger>(
        _ result: Result, _ call: @autoclosure () -> String
    ) throws(SystemError) -> Result {
        guard result < 0 else { return result }
        throw SystemError(call(), code: Int32(truncatingIfNeeded: -result))
    }
}

extension SystemError {
    /// There is no socket of the family that `endpoint` needs.
    package static func noSocket(for endpoint: Endpoint) -> SystemError {
        SystemError("send to \(endpoint)", code: EAFNOSUPPORT)
    }

    /// A link of that number there is, or there are more links than one thread serves.
    package static func tooManyLinks(_ limit: Int) -> SystemError {
        SystemError("open one more than \(limit) links", code: EMFILE)
    }

    /// There is no such link, any more.
    package static func noLink(_ number: UInt32) -> SystemError {
        SystemError("send along link \(number)", code: ENOTCONN)
    }
}
