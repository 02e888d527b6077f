import ControlAPI
import Wire

/// The part of `meshctl status` about services and names.
struct ServiceStatusText {
    /// What does not work as it should.
    func notices(_ status: ServiceStatus) -> [Notice] {
        status.sources.filter { $0.state == .failed }.map { Notice("\($0.name): \($0.detail)", nextStep: $0.nextStep) }
            + (status.names?.problems ?? []) + status.problems
    }

    func facts(_ status: ServiceStatus) -> [(String, [String])] {
        var facts: [(String, [String])] = [("services", [services(status)])]
        let sources = status.sources.filter { $0.state == .good }.map { "\($0.name): \($0.detail)" }
        if !sources.isEmpty { facts.append(("sources", sources)) }
        if let names = status.names { facts.append(("names", lines(names))) }
        return facts
    }

    private func services(_ status: ServiceStatus) -> String {
        var text = "\(Units.grouped(UInt64(max(0, status.serviceCount))))"
        if status.serviceCount > 0 { text += ", \(status.readyCount) of \(status.endpointCount) endpoints ready" }
        if !status.ranges.isEmpty {
            text += ", addresses from \(status.ranges.map(\.description).joined(separator: ", "))"
        }
        return text
    }

    private func lines(_ names: ServiceStatus.Names) -> [String] {
        let places = names.listening.map(\.description).joined(separator: ", ")
        let counts = "\(names.nameCount) of the mesh, \(names.cachedCount) others remembered"
        var lines = [places.isEmpty ? "not answered" : "answered at \(places): \(counts)"]
        if !names.upstreams.isEmpty { lines.append("others are asked of \(names.upstreams.joined(separator: ", "))") }
        return lines
    }
}
