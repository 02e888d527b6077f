import Arguments
import ControlAPI
import Glibc
import JSON
import Wire

/// The program meshctl: understands a command line, carries it out, and says how it went.
package struct Meshctl {
    let invocation: Invocation
    let output: Output
    let socketPath: String
    /// Whether the agent is the one of this host, and not another that options or the environment name.
    let isHostAgent: Bool

    /// - Parameter arguments: without the program's name.
    /// - Returns: the exit code.
    package static func run(_ arguments: [String], environment: [String: String]) -> Int32 {
        // A command line that is not understood still says how its errors shall look.
        let wantsJSON = arguments.prefix { $0 != "--" }.contains("--json")
        let output = Output(isJSON: wantsJSON, environment: environment)
        do throws(UsageError) {
            let invocation = try Parser.parse(arguments, for: Programs.meshctl.command)
            guard !invocation.wantsHelp else {
                Output.write(
                    Array(HelpText.text(for: invocation.path, of: Programs.meshctl.command).utf8), to: STDOUT_FILENO)
                return 0
            }
            return Meshctl(invocation, output, environment).run()
        } catch {
            output.show(error)
            return UsageError.exitCode
        }
    }

    private init(_ invocation: Invocation, _ output: Output, _ environment: Environment) {
        self.invocation = invocation
        self.output = output
        let inherited = environment["KUBEMESH_SOCKET"].flatMap { $0.isEmpty ? nil : $0 }
        socketPath = invocation.text("socket") ?? inherited ?? Control.socketPath
        isHostAgent = socketPath == Control.socketPath
    }

    private func run() -> Int32 {
        do throws(Failure) {
            return try perform()
        } catch {
            output.show(error)
            return error.code.exitCode
        }
    }

    private func perform() throws(Failure) -> Int32 {
        switch invocation.path {
        case ["up"]: return try up()
        case ["down"]: try down()
        case ["status"]: try status()
        case ["peers"]: try peers()
        case ["ping"]: return try ping()
        case ["trace"]: return try trace()
        case ["why"]: try why()
        case ["services"]: try services()
        case ["endpoints"]: try endpoints()
        case ["service", "add"]: try serviceAdd()
        case ["service", "rm"]: try serviceRemove()
        case ["service", "list"]: try serviceList()
        case ["service", "show"]: try serviceShow()
        case ["dns", "lookup"]: return try dnsLookup()
        case ["dns", "cache"]: try dnsCache()
        case ["relay", "on"]: try relay(.on)
        case ["relay", "off"]: try relay(.off)
        case ["relay", "drain"]: try relay(.drain)
        case ["relay", "status"]: try relay(.status)
        case ["netcheck"]: return try netcheck()
        case ["invite"]: try invite()
        case ["wireguard", "add"]: try wireguardAdd()
        case ["wireguard", "list"]: try wireguardList()
        case ["wireguard", "remove"]: try wireguardRemove()
        case ["config", "check"]: return try checkConfiguration()
        case ["reload"]: try reload()
        case ["version"]: showVersions()
        case ["completion"]: showCompletion()
        case ["man"]: showManualPage()
        case let path: preconditionFailure("the command \(path) is declared but not carried out")
        }
        return 0
    }

    /// Asks the agent; a reply of another kind than the request has is a fault of the agent.
    func ask<Content>(_ request: Request, _ content: (Reply) -> Content?) throws(Failure) -> Content {
        let reply = try ControlSession.reply(to: request, at: socketPath)
        guard let content = content(reply) else { throw Self.unexpected }
        return content
    }

    static let unexpected = Failure(
        .unreachable, "the agent answers something else than it was asked",
        nextStep: "use meshctl and meshd of one version; 'meshctl version' shows both")

    var now: Timestamp {
        var moment = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &moment)
        return Timestamp(secondsSince1970: Int64(moment.tv_sec))
    }

    /// The values of an option that are address prefixes.
    func prefixes(_ option: String) throws(Failure) -> [IPPrefix] {
        var prefixes: [IPPrefix] = []
        for text in invocation.texts(option) {
            guard let prefix = IPPrefix(text) else {
                throw Failure(
                    .usage, "--\(option) must be an address prefix such as 192.168.7.0/24, not '\(text)'",
                    nextStep: "leave no host bits set, and give the length")
            }
            prefixes.append(prefix)
        }
        return prefixes
    }
}
