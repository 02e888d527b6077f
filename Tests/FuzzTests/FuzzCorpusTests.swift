import Lab
import Testing

@Suite struct FuzzCorpusTests {
    /// What scripts/fuzz has kept, through the same code without its guide.
    @Test(arguments: ["dns", "netlink", "yaml"])
    func `every input that the fuzzer kept is taken or refused`(name: String) throws {
        let root = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()
        let folder = root + "/Tests/Fuzz/Corpora/\(name)"
        let inputs = Files.entries(of: folder).map { "\(folder)/\($0)" }
        #expect(inputs.count >= 10)
        let output = try Command([Program.built("fuzz-\(name)")] + inputs).run(within: .seconds(60))
        #expect(output == "\(inputs.count) inputs\n")
    }
}
