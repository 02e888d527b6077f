import Glibc
import Synchronization

/// Structured lines on standard error: a level, a sentence, fields.
///
/// Under systemd (`JOURNAL_STREAM` is set) each line starts with its syslog priority, as sd-daemon(3) wants it. Keys, secrets and
/// packet contents are never fields.
package final class Log: Sendable {
    package enum Level: Int, Comparable, Sendable {
        /// An operator must act.
        case error = 3
        /// Degraded, going on.
        case warning = 4
        /// A peer, a path or the configuration changed.
        case info = 6
        /// Protocol messages.
        case debug = 7

        package init?(name: String) {
            switch name {
            case "error": self = .error
            case "warning": self = .warning
            case "info": self = .info
            case "debug": self = .debug
            default: return nil
            }
        }

        package var name: String {
            switch self {
            case .error: "error"
            case .warning: "warning"
            case .info: "info"
            case .debug: "debug"
            }
        }

        package static func < (left: Level, right: Level) -> Bool { left.rawValue < right.rawValue }
    }

    package enum Format: Sendable {
        case text
        case json
    }

    package typealias Fields = KeyValuePairs<String, String>

    private struct Settings {
        var level: Level
        var format: Format
    }

    private let settings: Mutex<Settings>
    private let writesPriority: Bool
    private let write: @Sendable ([UInt8]) -> Void

    package init(
        level: Level, format: Format, writesPriority: Bool,
        write: @escaping @Sendable ([UInt8]) -> Void = Log.writeToStandardError
    ) {
        settings = Mutex(Settings(level: level, format: format))
        self.writesPriority = writesPriority
        self.write = write
    }

    /// Takes effect with the next line.
    package func configure(level: Level, format: Format) {
        settings.withLock { $0 = Settings(level: level, format: format) }
    }

    package func error(_ sentence: String, _ fields: Fields = [:]) { emit(.error, sentence, fields) }
    package func warning(_ sentence: String, _ fields: Fields = [:]) { emit(.warning, sentence, fields) }
    package func info(_ sentence: String, _ fields: Fields = [:]) { emit(.info, sentence, fields) }
    package func debug(_ sentence: String, _ fields: Fields = [:]) { emit(.debug, sentence, fields) }

    private func emit(_ level: Level, _ sentence: String, _ fields: Fields) {
        let settings = settings.withLock { $0 }
        guard level <= settings.level else { return }
        var line = writesPriority ? "<\(level.rawValue)>" : ""
        switch settings.format {
        case .text:
            line += writesPriority ? sentence : "\(level.name): \(sentence)"
            for (name, value) in fields { line += " \(name)=\(Self.quotedIfNeeded(value))" }
        case .json:
            line += "{\"level\":\"\(level.name)\",\"message\":\(Self.quoted(sentence))"
            for (name, value) in fields { line += ",\(Self.quoted(name)):\(Self.quoted(value))" }
            line += "}"
        }
        write(Array((line + "\n").utf8))
    }

    package static func writeToStandardError(_ bytes: [UInt8]) {
        // A log line that cannot be written has nowhere else to go.
        _ = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    private static func quotedIfNeeded(_ value: String) -> String {
        let isPlain = !value.isEmpty && value.utf8.allSatisfy { $0 > 0x20 && $0 != 0x22 && $0 != 0x3d && $0 != 0x7f }
        return isPlain ? value : quoted(value)
    }

    /// A JSON string (RFC 8259 §7).
    private static func quoted(_ value: String) -> String {
        var text = "\""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            case "\t": text += "\\t"
            case "\r": text += "\\r"
            case _ where scalar.value < 0x20 || scalar.value == 0x7f:
                let digits = String(scalar.value, radix: 16)
                text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text + "\""
    }
}
