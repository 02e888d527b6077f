import Arguments
import Configuration
import ControlAPI
import JSON
import Linux
import Wire
import YAML

extension Meshctl {
    private static let defaultPath = "/etc/kubemesh/config.yaml"

    /// Checks a file as the agent would read it, without the agent.
    func checkConfiguration() throws(Failure) -> Int32 {
        let given = invocation.argument("FILE")
        let path = given ?? Self.defaultPath
        do throws(HostFile.ReadError) {
            return try check(HostFile.contents(of: path), path)
        } catch {
            switch error {
            case .absent where given == nil:
                output.show(
                    ["file": .string(path), "isPresent": false, "problems": []],
                    ["There is no \(path): the defaults apply."])
                return 0
            case .absent: throw Failure(.configuration, "there is no file \(path)", nextStep: "check its name")
            case .tooLarge: throw Failure(.configuration, "\(path) is larger than a configuration can be (1 MiB)")
            case .refused(let error):
                throw Failure(error.name == "EACCES" ? .notPermitted : .configuration, "\(error)")
            }
        }
    }

    private func check(_ bytes: [UInt8], _ path: String) -> Int32 {
        // The default of node.name has no bearing on whether a file is good.
        guard let name = NodeName(hostName: HostFile.hostName) ?? NodeName("node") else { return 1 }
        do throws(ConfigurationError) {
            _ = try Configuration(parsing: bytes, file: path, nodeName: name)
            output.show(
                ["file": .string(path), "isPresent": true, "problems": []], ["\(path) is good."])
            return 0
        } catch {
            let problems = error.problems.map { problem -> JSONValue in
                [
                    "line": .integer(Int64(problem.position.line)), "column": .integer(Int64(problem.position.column)),
                    "key": .string(problem.key), "reason": .string(problem.reason),
                ]
            }
            output.show(["file": .string(path), "isPresent": true, "problems": .array(problems)], ["\(error)"])
            return Failure.Code.configuration.exitCode
        }
    }
}
