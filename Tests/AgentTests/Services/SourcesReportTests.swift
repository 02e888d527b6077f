import Agent
import ControlAPI
import Services
import Testing

@testable import Containers
@testable import ServiceSources

@Suite struct SourcesReportTests {
    private func lines(_ state: SourcesState) -> [String] {
        state.described.map {
            "\($0.name) \($0.state.rawValue): \($0.detail)" + ($0.nextStep.map { " -> \($0)" } ?? "")
        }
    }

    @Test func `good files are counted, refused ones and notices are shown one by one`() {
        var folder = SourcesState.Folder(path: "/etc/kubemesh/services.d")
        folder.files = [
            .init(name: "a.yaml", objectCount: 3, notices: ["a.yaml:2: Deployment is not read here"], since: 0),
            .init(name: "b.yaml", refusal: "b.yaml:5: spec.ports is empty; write one", objectCount: 2, since: 0),
            .init(name: "c.yaml", refusal: "c.yaml:1: has no kind", since: 0),
        ]
        folder.ignoredCount = 1
        #expect(
            lines(SourcesState(folder: folder)) == [
                "manifests good: 1 file in /etc/kubemesh/services.d, 3 objects",
                "manifest a.yaml good: a.yaml:2: Deployment is not read here",
                "manifest b.yaml failed: refused: b.yaml:5: spec.ports is empty; write one; what it said before still counts",
                "manifest c.yaml failed: refused: c.yaml:1: has no kind",
                "manifests failed: 1 file too many in /etc/kubemesh/services.d, not read"
                    + " -> put several documents into one file",
            ])
        folder.problem = "cannot read /etc/kubemesh/services.d: EACCES"
        #expect(
            lines(SourcesState(folder: folder)) == [
                "manifests failed: cannot read /etc/kubemesh/services.d: EACCES -> let meshd read /etc/kubemesh/services.d"
            ])
        #expect(lines(SourcesState(folder: SourcesState.Folder(path: "/etc/kubemesh/services.d"))) == [])
    }

    @Test func `a runtime is told of as it is connected, and its containers by their labels' faults`() {
        func runtime(_ link: SourcesState.Runtime.Link) -> SourcesState.Runtime {
            SourcesState.Runtime(name: "docker", socket: "/run/docker.sock", link: link, since: 0)
        }
        var up = runtime(.up)
        up.containerCount = 5
        up.publishedCount = 2
        up.problems = [.init(container: "nginx", text: "kubemesh.port must be a number")]
        let refused = runtime(.down(reason: "connect: EACCES", nextStep: "add kubemesh to the group docker"))
        #expect(
            lines(SourcesState(runtimes: [up, runtime(.absent), runtime(.connecting), refused])) == [
                "docker good: 5 containers, 2 of them endpoints",
                "docker container nginx failed: kubemesh.port must be a number -> mend its labels",
                "docker absent: there is no /run/docker.sock", "docker absent: connecting to /run/docker.sock",
                "docker failed: connect: EACCES -> add kubemesh to the group docker",
            ])
    }
}
