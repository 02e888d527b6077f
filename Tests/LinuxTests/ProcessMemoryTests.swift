import Glibc
import Linux
import Testing

@Suite struct ProcessMemoryTests {
    @Test func `code that is not being run leaves memory, and is there again when it is called`() throws {
        let before = try residentFileKilobytes()
        ProcessMemory.releaseCodePages()
        let after = try residentFileKilobytes()
        #expect(after < before)
        #expect((1...20).map { $0 * $0 }.reduce(0, +) == 2870)
    }

    /// `RssFile` of proc(5).
    private func residentFileKilobytes() throws -> Int {
        let file = unsafe try #require(fopen("/proc/self/status", "re"))
        defer { unsafe _ = fclose(file) }
        var buffer = [UInt8](repeating: 0, count: 8192)
        let count = unsafe fread(&buffer, 1, buffer.count, file)
        let line = try #require(
            String(decoding: buffer[..<count], as: UTF8.self).split(separator: "\n").first { $0.hasPrefix("RssFile:") })
        return try #require(Int(line.filter(\.isNumber)))
    }
}
