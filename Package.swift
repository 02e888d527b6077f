// swift-tools-version: 6.3
import PackageDescription

// Every target is built alike: Swift 6 mode, strict memory safety, warnings as errors.
let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
]

/// `Wire` alone may define types that store a span (docs/decisions/0002-lifetimes.md).
let lifetimes: [SwiftSetting] = [.enableExperimentalFeature("Lifetimes")]

/// What runs seldom is built for size, so that the agent stays small; what runs for every packet, every name or thousands of
/// services is built for speed (docs/decisions/0019-program-size.md).
let cold: Set = [
    "Agent", "Arguments", "Configuration", "Console", "Containers", "ControlAPI", "HostNames", "Identity", "JSON",
    "Netlink", "PortMapping", "STUN", "ServiceSources", "Store", "Streams", "TLS", "YAML",
]
let forSize = SwiftSetting.unsafeFlags(["-Osize"], .when(configuration: .release))

/// The toolchain's own linker packs the addresses that are settled at start into a fortieth.
let packed = LinkerSetting.unsafeFlags(
    ["-use-ld=lld", "-Xlinker", "-z", "-Xlinker", "pack-relative-relocs"], .when(configuration: .release))

func source(_ name: String, _ dependencies: [Target.Dependency] = [], extra: [SwiftSetting] = []) -> Target {
    .target(
        name: name, dependencies: dependencies,
        swiftSettings: settings + extra + (cold.contains(name) ? [forSize] : []))
}

func program(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .executableTarget(name: name, dependencies: dependencies, swiftSettings: settings, linkerSettings: [packed])
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: "\(name)Tests", dependencies: dependencies, swiftSettings: settings)
}

/// A program that gives bytes to what reads them; see scripts/fuzz.
func fuzzer(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .executableTarget(
        name: "fuzz-\(name.lowercased())", dependencies: dependencies + ["Fuzzing"], path: "Tests/Fuzz/\(name)",
        swiftSettings: settings)
}

// MARK: C libraries, one module each

let libraries: [Target] = [
    .systemLibrary(name: "CJansson"),
    .systemLibrary(name: "CQREncode"),
    .target(name: "CSpawn", cSettings: [.define("_GNU_SOURCE")]),
    .systemLibrary(name: "CSQLite"),
    .target(name: "CLinux", cSettings: [.define("_GNU_SOURCE")]),
    .systemLibrary(name: "COpenSSL"),
    .systemLibrary(name: "CTLS"),
    .systemLibrary(name: "CNetfilter"),
    .systemLibrary(name: "CNGHTTP2"),
    .systemLibrary(name: "CYAML"),
]

// MARK: ground: bytes, time values, primitives; pure

let ground: [Target] = [
    source("Wire", extra: lifetimes),
    source("SansIO"),
    source("JSON", ["CJansson"]),
    source("QR", ["CQREncode"]),
    source("Crypto", ["COpenSSL", "Wire"]),
    source("YAML", ["CYAML"]),
]

// MARK: core: state machines; pure

let core: [Target] = [
    source("ControlAPI", ["Wire", "JSON"]),
    source("Configuration", ["Wire", "YAML"]),
    source("Arguments"),
    source("Identity", ["Wire", "Crypto"]),
    source("Relay", ["Wire", "SansIO"]),
    source("Services", ["JSON", "Wire", "YAML"]),
    source("Containers", ["CNGHTTP2", "JSON", "SansIO", "Services", "Wire"]),
    source("Noise", ["Crypto", "SansIO", "Wire"]),
    source("STUN", ["SansIO", "Wire"]),
    source("DNS", ["SansIO", "Services", "Wire"]),
    source("PortMapping", ["Crypto", "SansIO", "Wire"]),
    source("TLS", ["CTLS", "Crypto", "Wire"]),
    source("Traversal", ["STUN", "Wire", "SansIO"]),
    source("Mesh", ["Wire", "SansIO", "Crypto", "Noise", "Identity", "STUN", "Traversal", "Relay", "Datapath"]),
    source("Datapath", ["Wire", "SansIO", "Crypto", "Noise", "Relay", "Traversal"]),
    source("Simulator", ["Wire", "SansIO", "Crypto", "Identity", "Traversal", "Relay", "Datapath", "Mesh"]),
]

// MARK: shell: the only I/O

let shell: [Target] = [
    source("Store", ["CSQLite", "Crypto", "Identity", "Services", "Wire"]),
    source("Linux", ["CLinux", "SansIO", "Wire"]),
    source("Netlink", ["CNetfilter", "Wire"]),
    source("ServiceSources", ["Containers", "Linux", "Netlink", "SansIO", "Services", "Wire"]),
    source(
        "Console",
        ["Arguments", "CSpawn", "Configuration", "ControlAPI", "JSON", "Linux", "QR", "SansIO", "Wire", "YAML"]),
    source(
        "Agent",
        [
            "Arguments", "Configuration", "Containers", "ControlAPI", "Crypto", "DNS", "Datapath", "HostNames",
            "Identity", "JSON", "Linux", "Mesh", "NameService", "Netfilter", "Netlink", "Noise", "PacketIO",
            "PortMapping", "Relay", "STUN", "SansIO", "ServiceSources", "Services", "Store", "Streams", "Traversal",
            "Wire",
        ]),
    source("PacketIO", ["Linux", "Datapath", "Relay", "SansIO", "Wire"]),
    source("Netfilter", ["CNetfilter", "Netlink", "Services", "Wire"]),
    source("HostNames", ["Linux", "Wire"]),
    source("NameService", ["DNS", "Linux", "SansIO", "Wire"]),
    source("Streams", ["Crypto", "Linux", "SansIO", "TLS", "Wire"]),
]

// MARK: programs

let programs: [Target] = [
    program("meshd", ["Agent", "Arguments", "Configuration", "Linux"]),
    program("meshctl", ["Console"]),
    program("meshsim", ["Arguments", "SansIO", "Simulator"]),
    .executableTarget(
        name: "bench-handshake", dependencies: ["Noise", "Crypto", "SansIO", "Wire"],
        path: "Benchmarks/Handshake", swiftSettings: settings),
    .executableTarget(
        name: "bench-services", dependencies: ["Netfilter", "Services", "Wire"], path: "Benchmarks/Services",
        swiftSettings: settings),
    .executableTarget(
        name: "bench-catalog", dependencies: ["CAllocations", "Linux", "SansIO", "Services", "Wire"],
        path: "Benchmarks/Catalog", swiftSettings: settings),
    .executableTarget(
        name: "bench-dns", dependencies: ["DNS", "NameService", "Services", "Wire"], path: "Benchmarks/DNS",
        swiftSettings: settings),
    .target(name: "CAllocations", path: "Benchmarks/CAllocations"),
    .executableTarget(
        name: "bench-datapath",
        dependencies: [
            "CAllocations", "Crypto", "Datapath", "Linux", "Noise", "Relay", "SansIO", "Traversal", "Wire",
        ], path: "Benchmarks/Datapath", swiftSettings: settings),
]

// MARK: tests, mirroring Sources

let testTargets: [Target] = [
    .target(name: "CLab", path: "Tests/CLab"),
    .executableTarget(name: "labline", path: "Tests/labline"),
    .executableTarget(name: "labmeter", path: "Tests/labmeter"),
    .target(
        name: "Lab", dependencies: ["CLab", "labline", "labmeter", "ControlAPI", "JSON", "Wire"], path: "Tests/Lab",
        swiftSettings: settings),
    .executableTarget(
        name: "meshlab", dependencies: ["ControlAPI", "Lab", "Wire"], path: "Tests/meshlab", swiftSettings: settings),
    tests("Lab", ["Lab", "Wire"]),
    tests("Host", ["ControlAPI", "Crypto", "JSON", "Lab", "Wire"]),
    tests("Packaging", ["Lab", "Wire", "JSON", "ControlAPI"]),
    tests("Wire", ["Wire"]),
    tests("SansIO", ["SansIO"]),
    tests("Relay", ["Relay", "SansIO", "Wire"]),
    tests("Services", ["SansIO", "Services", "Wire"]),
    tests("Containers", ["Containers", "SansIO", "Services", "Wire"]),
    tests("ServiceSources", ["Linux", "SansIO", "ServiceSources", "Services"]),
    tests("ServiceSourcesHost", ["Containers", "Lab", "ServiceSources", "Services", "Wire"]),
    tests("Tidy", ["Lab"]),
    tests("STUN", ["STUN", "SansIO", "Wire"]),
    tests("TLS", ["TLS", "Crypto", "SansIO", "Wire"]),
    tests("Streams", ["CLinux", "Streams", "Crypto", "Linux", "SansIO", "TLS", "Wire"]),
    tests("Traversal", ["Traversal", "Simulator", "STUN", "Wire", "SansIO"]),
    tests(
        "Mesh",
        [
            "Mesh", "Wire", "SansIO", "Crypto", "Datapath", "Identity", "Noise", "Relay", "STUN", "Simulator",
            "Traversal",
        ]),
    tests("Simulator", ["Simulator", "Crypto", "Identity", "Mesh", "SansIO", "Traversal", "Wire"]),
    tests("JSON", ["JSON", "SansIO"]),
    tests("ControlAPI", ["ControlAPI", "JSON", "Wire", "SansIO"]),
    tests("Arguments", ["Arguments", "SansIO"]),
    tests("QR", ["QR"]),
    tests("Console", ["Arguments", "Console", "ControlAPI", "Wire"]),
    tests("Meshctl", ["meshctl", "Arguments", "Console", "ControlAPI", "JSON", "Linux", "Wire"]),
    tests("Store", ["Store", "Crypto", "Identity", "SansIO", "Services", "Wire"]),
    tests(
        "Agent",
        [
            "Agent", "Configuration", "Containers", "ControlAPI", "Linux", "Mesh", "Netfilter", "Netlink",
            "PortMapping", "SansIO", "ServiceSources", "Services", "Wire",
        ]),
    tests("Linux", ["CLinux", "Linux", "SansIO", "Wire"]),
    tests("Crypto", ["Crypto", "Wire", "SansIO"]),
    tests("Netfilter", ["CNetfilter", "Netfilter", "Netlink", "SansIO", "Services", "Wire"]),
    tests("NetfilterHost", ["CLinux", "Linux", "Netfilter", "Netlink", "Services", "Wire"]),
    tests("Netlink", ["CNetfilter", "Netlink", "SansIO", "Wire"]),
    tests("DNS", ["DNS", "SansIO", "Services", "Wire"]),
    tests("NameService", ["DNS", "Linux", "NameService", "SansIO", "Services", "Wire"]),
    tests("HostNames", ["HostNames", "Lab", "Wire"]),
    tests("NameServiceHost", ["CLinux", "DNS", "Lab", "Linux", "NameService", "SansIO", "Services", "Wire"]),
    .systemLibrary(name: "CFuzzer", path: "Tests/Fuzz/CFuzzer"),
    .target(name: "Fuzzing", dependencies: ["CFuzzer"], path: "Tests/Fuzz/Fuzzing", swiftSettings: settings),
    fuzzer("DNS", ["DNS", "SansIO", "Services", "Wire"]),
    fuzzer("Netlink", ["CNetfilter", "Netfilter", "Netlink"]),
    fuzzer("YAML", ["Services", "YAML"]),
    tests("Fuzz", ["Lab", "fuzz-dns", "fuzz-netlink", "fuzz-yaml"]),
    tests("YAML", ["YAML", "SansIO"]),
    tests("Identity", ["Identity", "Crypto", "Wire", "SansIO"]),
    tests("Configuration", ["Configuration", "YAML", "Wire", "SansIO"]),
    tests("PortMapping", ["PortMapping", "Crypto", "SansIO", "Wire"]),
    tests("Noise", ["Noise", "Crypto", "Wire", "SansIO"]),
    tests("Datapath", ["Datapath", "Wire", "SansIO", "Crypto", "Noise", "Relay", "Traversal"]),
    tests(
        "PacketIO",
        ["PacketIO", "CLinux", "Crypto", "Datapath", "Linux", "Netlink", "Noise", "SansIO", "Traversal", "Wire"]),
]

let package = Package(
    name: "KubeMesh",
    targets: libraries + ground + core + shell + programs + testTargets
)
