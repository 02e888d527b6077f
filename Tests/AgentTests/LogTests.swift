import Agent
import Synchronization
import Testing

@Suite struct LogTests {
    private final class Lines: Sendable {
        let text = Mutex("")
        func add(_ bytes: [UInt8]) { text.withLock { $0 += String(decoding: bytes, as: UTF8.self) } }
    }

    @Test func `a line holds its level, its sentence and its fields, quoted where they need it`() {
        let lines = Lines()
        let log = Log(level: .info, format: .text, writesPriority: false, write: lines.add)
        log.info("path changed", ["peer": "edge-1", "reason": "a \"new\"\nline"])
        log.debug("not wanted")
        #expect(lines.text.withLock { $0 } == "info: path changed peer=edge-1 reason=\"a \\\"new\\\"\\nline\"\n")
    }

    @Test func `journald gets the priority, JSON gets an object, and the level may change while running`() {
        let lines = Lines()
        let log = Log(level: .error, format: .text, writesPriority: true, write: lines.add)
        log.warning("not wanted")
        log.configure(level: .debug, format: .json)
        log.debug("frame", ["kind": "hello\u{1}"])
        #expect(
            lines.text.withLock { $0 } == "<7>{\"level\":\"debug\",\"message\":\"frame\",\"kind\":\"hello\\u0001\"}\n")
    }
}
