import Linux
import Netlink
import Testing

@Suite(.enabled(if: isRoot, needsRoot)) struct NamespaceAddressesTests {
    @Test func `addresses are read in the namespace of another process with CAP_NET_ADMIN alone`() throws {
        let here = try Namespace("h")
        let there = try Namespace("t")
        try there.run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "far0")
        try there.run("ip", "link", "set", "eth0", "up")
        try there.run("ip", "link", "set", "far0", "up")
        try there.run("ip", "addr", "add", "10.88.0.2/24", "dev", "eth0")
        try there.run("ip", "addr", "add", "fd88::2/64", "dev", "eth0")
        try there.run("ip", "addr", "add", "169.254.7.7/16", "dev", "eth0")
        let program = try there.start("sh", "-c", "echo there; exec sleep 1000")
        _ = try program.wait(for: "there")
        let process = UInt32(program.processID)
        let expected = ["10.88.0.2", "fd88::2"]
        let found = try here.perform {
            try Privileges.keep([.networkAdministration])
            // Twice, as the namespace has its number from the first time on.
            return try (0..<2).map { _ in
                var addresses = try NamespaceAddresses()
                return try addresses.read(ofProcess: process).flatMap { $0.addresses }.map { "\($0)" }
            }
        }
        #expect(found == [expected, expected])
    }

    @Test func `a process that is not there has no addresses`() throws {
        let here = try Namespace("h")
        try here.perform {
            var addresses = try NamespaceAddresses()
            #expect(throws: NetlinkError.self) { try addresses.read(ofProcess: 4_194_304) }
        }
    }
}
