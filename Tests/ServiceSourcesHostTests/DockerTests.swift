import Containers
import Lab
import ServiceSources
import Services
import Testing
import Wire

@Suite(
    .serialized,
    .enabled(
        if: Requirement.isMet && (DockerEngine.obstacle == nil || Requirement.isForced), "needs root and Docker")
)
struct DockerTests {
    @Test func `a container with labels is a service and an endpoint for as long as it runs and is healthy`() throws {
        try Lab.with("host") { lab in
            let docker = try DockerHost(lab)
            let observer = try Observer(docker: docker.socket)
            try docker.container("web-1", "--label kubemesh.service=web --label kubemesh.port=80:8080")
            try observer.until("the endpoint") { _ in observer.endpoints("web") == ["web-1 ready"] }
            let name = ServiceName(namespace: "default", name: "web")
            #expect(observer.catalog.service(name)?.ports == [Service.Port(port: 80)])
            let endpoint = try #require(observer.catalog.endpoints(of: name).first)
            #expect(endpoint.ports == [EndpointSlice.Port(port: 8080)])
            #expect(endpoint.member.nodeName == "alpha")
            #expect("\(endpoint.member.address)" == "172.17.0.2")

            try docker.docker("pause web-1")
            try observer.until("the pause") { _ in observer.endpoints("web") == ["web-1 unready"] }
            try docker.docker("unpause web-1")
            try observer.until("the end of the pause") { _ in observer.endpoints("web") == ["web-1 ready"] }
            // Process 1 takes no notice of SIGTERM, so it is on its way out for as long as Docker would wait.
            try docker.docker("kill --signal TERM web-1")
            try observer.until("its termination") { _ in observer.endpoints("web") == ["web-1 terminating"] }
            try docker.docker("kill web-1")
            try observer.until("its end") { _ in observer.endpoints("web").isEmpty }
            #expect(observer.catalog.service(name) != nil, "the container is there still, and so is its service")
            try docker.docker("start web-1")
            try observer.until("its return") { _ in observer.endpoints("web") == ["web-1 ready"] }
        }
    }

    @Test func `a health check that fails takes the endpoint out, and one that passes brings it back`() throws {
        try Lab.with("host") { lab in
            let docker = try DockerHost(lab)
            let observer = try Observer(docker: docker.socket)
            let check = "--health-cmd 'test -e /tmp/healthy' --health-interval 500ms --health-retries 1"
            try docker.container("db", "--label kubemesh.service=db --label kubemesh.port=5432 \(check)")
            try observer.until("the container that is not healthy yet") { _ in
                observer.endpoints("db") == ["db unready"]
            }
            try docker.docker("exec db touch /tmp/healthy")
            try observer.until("health") { _ in observer.endpoints("db") == ["db ready"] }
            try docker.docker("exec db rm /tmp/healthy")
            try observer.until("sickness") { _ in observer.endpoints("db") == ["db unready"] }
        }
    }

    @Test func `bad labels are refused with a reason, and nothing else is lost`() throws {
        try Lab.with("host") { lab in
            let docker = try DockerHost(lab)
            let observer = try Observer(docker: docker.socket)
            try docker.container("good", "--label kubemesh.service=good --label kubemesh.port=80")
            try docker.container("bad", "--label kubemesh.service=bad --label kubemesh.port=http")
            try docker.container("plain")
            try observer.until("the good one and every name") { catalog in
                observer.endpoints("good") == ["good ready"]
                    && catalog.node(named: "alpha")?.containers.map(\.name) == ["bad", "good", "plain"]
            }
            #expect(observer.catalog.service(ServiceName(namespace: "default", name: "bad")) == nil)
            let problems = try #require(observer.sources.state.runtimes.first).problems
            #expect(problems.map(\.container) == ["bad"])
            #expect(problems.first?.text.contains("kubemesh.port has \"http\" where a number stands") == true)
        }
    }

    @Test func `networks are chosen by label, and a container on the host's network is reached at the node`() throws {
        try Lab.with("host") { lab in
            let docker = try DockerHost(lab)
            let observer = try Observer(docker: docker.socket)
            try docker.docker("network create --subnet 10.77.0.0/24 back")
            try docker.docker(
                "create --name two --label kubemesh.service=two --label kubemesh.port=80 --label kubemesh.network=back \(DockerHost.image) sleep 100000"
            )
            try docker.docker("start two")
            try observer.until("the container in one network alone") { catalog in
                catalog.node(named: "alpha")?.containers.map(\.name) == ["two"]
            }
            #expect(observer.endpoints("two").isEmpty)
            try docker.docker("network connect back two")
            try docker.container("own", "--network host --label kubemesh.service=own --label kubemesh.port=80")
            try observer.until("both") { _ in
                observer.endpoints("two") == ["two ready"] && observer.endpoints("own") == ["own ready"]
            }
            let addresses = ["two", "own"].map { name in
                observer.catalog.endpoints(of: ServiceName(namespace: "default", name: name)).map {
                    "\($0.member.address)"
                }
            }
            #expect(addresses == [["10.77.0.2"], ["10.128.1.1"]])
        }
    }

    @Test func `a daemon that restarts loses nothing, and what happened meanwhile is seen`() throws {
        try Lab.with("host") { lab in
            let docker = try DockerHost(lab, options: ["--live-restore"])
            let observer = try Observer(docker: docker.socket)
            try docker.container("stays", "--label kubemesh.service=stays --label kubemesh.port=80")
            try docker.container("goes", "--label kubemesh.service=goes --label kubemesh.port=80")
            try observer.until("both") { _ in
                observer.endpoints("stays") == ["stays ready"] && observer.endpoints("goes") == ["goes ready"]
            }
            let pid = try docker.host.run("docker", "inspect", "-f", "{{.State.Pid}}", "goes")
            docker.stopDaemon()
            try observer.until("the daemon's end") { _ in
                observer.sources.state.runtimes.first?.link != .up
            }
            try docker.host.shell("kill -9 \(pid)")
            #expect(observer.endpoints("stays") == ["stays ready"])
            #expect(observer.endpoints("goes") == ["goes ready"], "nobody could tell")
            try docker.startDaemon()
            try observer.until("what happened meanwhile") { _ in
                observer.sources.state.runtimes.first?.link == .up && observer.endpoints("goes").isEmpty
            }
            #expect(observer.endpoints("stays") == ["stays ready"])
        }
    }
}
