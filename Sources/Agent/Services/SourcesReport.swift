import Containers
package import ControlAPI
package import ServiceSources
import Services

// Manifests and container runtimes, as `meshctl status` shows them.
extension SourcesState {
    /// The directory, the files that are refused or told of, the runtimes, and containers with labels that come to nothing.
    package var described: [ServiceStatus.Source] {
        (folder?.described ?? []) + runtimes.flatMap(\.described)
    }
}

extension SourcesState.Folder {
    fileprivate var described: [ServiceStatus.Source] {
        if let problem { return [.init("manifests", .failed, problem, nextStep: "let meshd read \(path)")] }
        let good = files.filter { $0.refusal == nil }
        let count = good.reduce(0) { $0 + ($1.objectCount ?? 0) }
        var described: [ServiceStatus.Source] = []
        if !files.isEmpty {
            described.append(
                .init("manifests", .good, "\(counted(good.count, "file")) in \(path), \(counted(count, "object"))"))
        }
        for file in files {
            if let refusal = file.refusal {
                // The refusal names the line, and what to write there instead.
                let rest = (file.objectCount ?? 0) > 0 ? "; what it said before still counts" : ""
                described.append(.init("manifest \(file.name)", .failed, "refused: \(refusal)\(rest)"))
            }
            described += file.notices.map { .init("manifest \(file.name)", .good, $0) }
        }
        if ignoredCount > 0 {
            described.append(
                .init(
                    "manifests", .failed, "\(counted(ignoredCount, "file")) too many in \(path), not read",
                    nextStep: "put several documents into one file"))
        }
        return described
    }
}

extension SourcesState.Runtime {
    /// Of containers that are told of one by one.
    private static let problemLimit = 20

    fileprivate var described: [ServiceStatus.Source] {
        [state]
            + problems.prefix(Self.problemLimit).map { problem in
                .init("\(name) container \(problem.container)", .failed, problem.text, nextStep: "mend its labels")
            }
    }

    private var state: ServiceStatus.Source {
        switch link {
        case .absent: .init(name, .absent, "there is no \(socket)")
        case .connecting: .init(name, .absent, "connecting to \(socket)")
        case .up: .init(name, .good, "\(counted(containerCount, "container")), \(publishedCount) of them endpoints")
        case .down(let reason, let nextStep): .init(name, .failed, reason, nextStep: nextStep)
        }
    }
}

/// "1 file", "2 files".
private func counted(_ count: Int, _ noun: String) -> String { count == 1 ? "1 \(noun)" : "\(count) \(noun)s" }
