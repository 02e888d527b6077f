package import Configuration
import Glibc
import Wire

/// What the command line of `meshd` says, and where the configuration comes from.
package struct DaemonOptions: Sendable {
    package static let configurationPath = "/etc/kubemesh/config.yaml"

    package var configurationPath: String
    /// A configuration file that is asked for by name must exist; the default one need not.
    package var mustExist: Bool
    package var stateDirectory: String?
    package var socketPath: String?
    package var logLevel: Configuration.Logging.Level?

    package init(
        configurationPath: String?, stateDirectory: String?, socketPath: String?,
        logLevel: Configuration.Logging.Level?
    ) {
        self.configurationPath = configurationPath ?? Self.configurationPath
        mustExist = configurationPath != nil
        self.stateDirectory = stateDirectory
        self.socketPath = socketPath
        self.logLevel = logLevel
    }

    /// Reads the file; the command line overrides it.
    package func readConfiguration() throws(ConfigurationFailure) -> Configuration {
        guard let nodeName = NodeName(hostName: Self.hostName) ?? NodeName("node") else {
            preconditionFailure("\"node\" is a name")
        }
        var configuration = Configuration(nodeName: nodeName)
        if let text = try readFile() {
            do {
                configuration = try Configuration(parsing: text, file: configurationPath, nodeName: nodeName)
            } catch {
                throw .invalid(error)
            }
        }
        if let stateDirectory { configuration.stateDirectory = stateDirectory }
        if let socketPath { configuration.controlSocket.path = socketPath }
        if let logLevel { configuration.logging.level = logLevel }
        return configuration
    }

    private func readFile() throws(ConfigurationFailure) -> [UInt8]? {
        let descriptor = unsafe open(configurationPath, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT, !mustExist { return nil }
            throw .unreadable(path: configurationPath, reason: unsafe String(cString: strerror(errno)))
        }
        defer { close(descriptor) }
        var text: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = unsafe read(descriptor, &piece, piece.count)
            guard count >= 0 else {
                throw .unreadable(path: configurationPath, reason: unsafe String(cString: strerror(errno)))
            }
            if count == 0 { return text }
            text += piece[..<count]
            guard text.count <= Self.sizeLimit else {
                throw .unreadable(path: configurationPath, reason: "it has more than \(Self.sizeLimit) bytes")
            }
        }
    }

    private static let sizeLimit = 1 << 20

    private static var hostName: String {
        var buffer = [CChar](repeating: 0, count: 256)
        guard unsafe gethostname(&buffer, buffer.count - 1) == 0 else { return "node" }
        return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

/// Why there is no configuration to run with.
package enum ConfigurationFailure: Error, CustomStringConvertible {
    case unreadable(path: String, reason: String)
    case invalid(ConfigurationError)

    package var description: String {
        switch self {
        case .unreadable(let path, let reason): "cannot read \(path): \(reason)"
        case .invalid(let error): error.description
        }
    }
}
