import Testing

@Suite struct LayersTests {
    private let layers = Layers(
        manifest: """
            let libraries: [Target] = [
                .systemLibrary(name: "COpenSSL", pkgConfig: "libcrypto"),
                .target(
                    name: "CLinux",
                    path: "Sources/CLinux"
                ),
            ]
            let ground: [Target] = [
                source("Wire", extra: lifetimes),
                source("SansIO"),
            ]
            let core: [Target] = [
                source(
                    "Noise", ["Wire"])
            ]
            let shell: [Target] = []
            let programs: [Target] = [program("meshd", ["Noise"])]
            """)

    @Test func `targets stand in the section that declares them`() {
        #expect(layers.targets["libraries"] == ["COpenSSL", "CLinux"])
        #expect(layers.targets["ground"] == ["Wire", "SansIO"])
        #expect(layers.targets["core"] == ["Noise"])
        #expect(layers.layer(of: "Elsewhere") == nil)
    }

    @Test func `an import that points upward is refused`() {
        #expect(
            layers.objection(to: "Noise", importedBy: "Wire")
                == "Wire imports Noise, which stands above it")
        #expect(layers.objection(to: "Wire", importedBy: "Noise") == nil)
        #expect(layers.objection(to: "SansIO", importedBy: "Wire") == nil)
    }

    @Test func `a pure target may stand on a library that computes, not on one that does I/O`() {
        #expect(layers.objection(to: "COpenSSL", importedBy: "Noise") == nil)
        #expect(
            layers.objection(to: "CLinux", importedBy: "Noise")
                == "Noise is pure and imports CLinux, which does I/O")
    }
}
