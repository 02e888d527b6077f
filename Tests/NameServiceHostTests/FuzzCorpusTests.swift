import Lab
import Testing

@Suite(.enabled(if: Requirement.isMet, "\(Requirement.reason)"))
struct FuzzCorpusTests {
    /// What scripts/fuzz has kept, through the same code without its guide.
    @Test func `every input that the fuzzer kept is taken or refused`() throws {
        let root = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()
        let folder = root + "/Tests/Fuzz/Corpora/dns"
        let inputs = Files.entries(of: folder).map { "\(folder)/\($0)" }
        #expect(inputs.count >= 10)
        let output = try Command([Program.built("fuzz-dns")] + inputs).run(within: .seconds(60))
        #expect(output == "\(inputs.count) inputs\n")
    }
}
