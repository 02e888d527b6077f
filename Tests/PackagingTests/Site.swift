import ControlAPI
import JSON
import Lab
import Wire

/// Two machines on the core, alpha and beta, each with a container at 172.17.0.2 behind a bridge named docker0.
struct Site {
    let alpha: Machine
    let beta: Machine
    let alphaContainer: Container
    let betaContainer: Container

    /// Boots both machines, runs `body`, and shuts them down.
    static func with(_ body: (Site) throws -> Void) throws {
        try Lab.with("packaging") { lab in
            let hosts = try ["alpha", "beta"].map { try lab.host($0, on: lab.core) }
            let containers = try hosts.map { try ContainerBridge(on: $0).container("c1") }
            let machines = try hosts.map { try Machine(on: $0) }
            // A machine that will not shut down in order is ended with the lab.
            defer { for machine in machines { try? machine.shutDown() } }
            try body(
                Site(
                    alpha: machines[0], beta: machines[1], alphaContainer: containers[0],
                    betaContainer: containers[1]))
        }
    }

    /// `apt-get install` on both, as a user would.
    func install(_ package: BuiltPackage) throws {
        try alpha.install(package)
        try beta.install(package)
    }

    /// `meshctl up` on alpha; returns the token that it prints.
    func createMesh() throws -> String {
        let result = try UpResult(parsing: Array(alpha.run("meshctl", "up", "--json").utf8))
        guard let token = result.token?.token else { throw LabError.unexpected("meshctl up gave no token") }
        return token
    }

    /// Both machines from the package to a mesh.
    func bringUp(_ package: BuiltPackage) throws {
        try install(package)
        try beta.run("meshctl", "up", try createMesh())
        try betaContainer.ping(alpha.meshAddress(of: alphaContainer))
    }
}

extension Machine {
    func status() throws -> Status {
        try Status(parsing: Array(run("meshctl", "status", "--json").utf8))
    }

    /// Where the rest of the mesh finds a container of this machine.
    func meshAddress(of container: Container) throws -> IPAddress {
        guard case .v4(let address) = container.address else {
            throw LabError.unexpected("\(container.label) has no IPv4 address")
        }
        for mapping in try status().mappings where mapping.local.contains(container.address) {
            guard case .v4(let base) = mapping.local.address else { continue }
            if let mapped = mapping.mesh.address(at: UInt64(address.rawValue - base.rawValue)) { return mapped }
        }
        throw LabError.unexpected("\(container.label) at \(address) is not mapped into the mesh")
    }

    func mainProcess() throws(LabError) -> String {
        String(try run("systemctl", "show", "--property=MainPID", "--value", "kubemesh").dropLast())
    }

    /// A line such as "CapEff" of the running daemon's /proc/PID/status.
    func daemonStatus(_ name: String) throws -> String? {
        let lines = try run("cat", "/proc/\(mainProcess())/status").split(separator: "\n")
        return lines.first { $0.hasPrefix(name + ":") }.map { String($0.dropFirst(name.count + 2)) }
    }
}
