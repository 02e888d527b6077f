import Linux
import Netlink
import Testing
import Wire

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
            return [try Self.read(process), try Self.read(process)]
        }
        #expect(found == [expected, expected])
    }

    private static func read(_ process: UInt32) throws -> [String] {
        var reader = try NamespaceAddresses()
        let networks = try reader.read(ofProcess: process)
        return networks.flatMap { network in network.addresses }.map { address in "\(address)" }
    }

    @Test func `a process that is not there has no addresses`() throws {
        let here = try Namespace("h")
        _ = try here.perform { #expect(throws: NetlinkError.self) { try Self.read(4_194_304) } }
    }
}
