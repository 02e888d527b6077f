import SansIO
import Services
import Testing
import Wire

@Suite struct ManifestTests {
    private func read(_ text: String) throws -> Manifest { try Manifest(parsing: Array(text.utf8), file: "shop.yaml") }

    private func service(_ spec: String, metadata: String = "") throws -> Service {
        let manifest = try read("kind: Service\nmetadata: {name: web\(metadata)}\nspec: \(spec)\n")
        guard case .service(let service)? = manifest.objects.first else { throw Missing() }
        return service
    }

    private func slice(_ body: String) throws -> EndpointSlice {
        let manifest = try read(
            """
            apiVersion: discovery.k8s.io/v1
            kind: EndpointSlice
            metadata: {name: web-abc, namespace: shop, labels: {kubernetes.io/service-name: web}}
            addressType: IPv4
            \(body)
            """)
        guard case .slice(let slice)? = manifest.objects.first else { throw Missing() }
        return slice
    }

    private struct Missing: Error {}

    @Test func `a service is read with all that routing depends on`() throws {
        let manifest = try read(
            """
            apiVersion: v1
            kind: Service
            metadata:
              name: web
              namespace: shop
              annotations:
                kubemesh.io/balancing: least-connections
            spec:
              type: LoadBalancer
              clusterIP: 010.096.000.01
              clusterIPs: [010.096.000.01, "fd00::1"]
              ipFamilyPolicy: PreferDualStack
              ports:
              - {name: http, port: 80, targetPort: 8080, nodePort: 30080}
              - name: dns
                protocol: UDP
                port: 53
              sessionAffinity: ClientIP
              sessionAffinityConfig: {clientIP: {timeoutSeconds: 60}}
              internalTrafficPolicy: Local
              externalTrafficPolicy: Local
              trafficDistribution: PreferClose
              publishNotReadyAddresses: true
              healthCheckNodePort: 31000
              loadBalancerSourceRanges: [198.51.100.7/24]
              externalIPs: [192.0.2.9]
            status:
              loadBalancer:
                ingress: [{ip: 203.0.113.5}, {ip: 203.0.113.6, ipMode: Proxy}, {hostname: lb.example.org}]
            """)
        var expected = Service(name: ServiceName("web"), kind: .loadBalancer)
        expected.clusterIPs = [IPAddress(literal: "10.96.0.1"), IPAddress(literal: "fd00::1")]
        expected.families = .both
        expected.ports = [
            .init(name: "http", port: 80, nodePort: 30080), .init(name: "dns", transport: .udp, port: 53),
        ]
        expected.affinitySeconds = 60
        expected.internalPolicy = .local
        expected.externalPolicy = .local
        expected.distribution = .preferSameZone
        expected.balancing = .leastConnections
        expected.publishesNotReady = true
        expected.healthCheckNodePort = 31000
        expected.loadBalancerSources = [IPPrefix(literal: "198.51.100.0/24")]
        expected.loadBalancerAddresses = [IPAddress(literal: "203.0.113.5")]
        #expect(manifest.objects == [.service(expected)])
        #expect(manifest.notices.map(\.line) == [26])
    }

    @Test func `what is not written has the API's defaults`() throws {
        let service = try service("{ports: [{port: 80}]}")
        var expected = Service(name: ServiceName("web", in: "default"))
        expected.ports = [.init(port: 80)]
        #expect(service == expected)
        #expect(try self.service("{sessionAffinity: ClientIP, ports: [{port: 1}]}").affinitySeconds == 10_800)
    }

    @Test func `headless and external services are told by type, address and label`() throws {
        #expect(try service("{clusterIP: None}").kind == .headless)
        #expect(try service("{clusterIPs: [None], ports: [{port: 1}]}").kind == .headless)
        let labelled = try service(
            "{clusterIP: 10.96.0.1, ports: [{port: 1}]}", metadata: ", labels: {service.kubernetes.io/headless: \"\"}")
        #expect(labelled.kind == .headless)
        #expect(labelled.clusterIPs.isEmpty)
        #expect(
            try service("{type: ExternalName, externalName: DB.example.org.}").kind == .externalName("db.example.org"))
        #expect(
            try service("{ports: [{port: 1}]}", metadata: ", labels: {service.kubernetes.io/service-proxy-name: x}")
                .isServedElsewhere)
        #expect(
            try service(
                "{ports: [{port: 1}]}", metadata: ", labels: {service.edgemesh.kubeedge.io/service-proxy-name: \"\"}"
            ).bearsFilterLabel)
    }

    @Test func `a slice is read with conditions, hints and names; a port without a number joins nothing`() throws {
        let slice = try slice(
            """
            ports: [{name: http, port: 8080}, {name: all}, {name: "", protocol: UDP, port: 53}]
            endpoints:
            - addresses: [10.1.0.1, 10.1.0.2]
              conditions: {ready: false, serving: true, terminating: true}
              nodeName: edge-1.example.org
              zone: west
              hostname: web-0
              targetRef: {kind: Pod, name: web-0-xyz}
              hints: {forZones: [{name: west}, {name: east}], forNodes: [{name: edge-1}]}
            - addresses: [10.1.0.3]
              conditions: {ready: null}
              hints: null
            """)
        #expect(slice.ports == [.init(name: "http", port: 8080), .init(transport: .udp, port: 53)])
        var first = EndpointSlice.Member.at(
            "10.1.0.1", on: "edge-1.example.org", zone: "west", ready: false, serving: true, terminating: true,
            hostname: "web-0")
        first.targetName = "web-0-xyz"
        first.zoneHints = ["west", "east"]
        first.nodeHints = ["edge-1"]
        #expect(slice.members == [first, .at("10.1.0.3")])
        #expect(slice.service == ServiceName("web"))
    }

    @Test func `the older Endpoints become slices, one for each subset`() throws {
        let manifest = try read(
            """
            kind: Endpoints
            apiVersion: v1
            metadata: {name: web, namespace: shop, annotations: {kubemesh.io/weight: "10"}}
            subsets:
            - addresses: [{ip: 10.1.0.1, nodeName: n1, hostname: a}]
              notReadyAddresses: [{ip: 10.1.0.2}]
              ports: [{port: 80}]
            - addresses: [{ip: "fd00::2"}]
              ports: [{name: admin, port: 81}]
            """)
        let slices = manifest.objects.compactMap { object in
            if case .slice(let slice) = object { slice } else { nil }
        }
        #expect(slices.map(\.ports) == [[.init(port: 80)], [.init(name: "admin", port: 81)]])
        #expect(slices[0].members.map(\.conditions.ready) == [true, false])
        #expect(slices[0].members.map(\.weight) == [10, 10])
        #expect(slices[0].members[0].nodeName == "n1")
        #expect(slices[1].members.map(\.address.description) == ["fd00::2"])
    }

    @Test func `nodes bring addresses, prefixes and their zone`() throws {
        let manifest = try read(
            """
            kind: Node
            metadata: {name: edge-1, labels: {topology.kubernetes.io/zone: west}}
            spec: {podCIDR: 10.1.0.0/24}
            status: {addresses: [{type: Hostname, address: edge-1}, {type: InternalIP, address: 192.168.1.5}]}
            """)
        var node = ClusterNode(name: "edge-1")
        node.addresses = [IPAddress(literal: "192.168.1.5")]
        node.podPrefixes = [IPPrefix(literal: "10.1.0.0/24")]
        node.zone = "west"
        #expect(manifest.objects == [.node(node)])
    }

    @Test func `documents, lists and JSON hold the same, and other kinds are passed over`() throws {
        let documents = try read(
            """
            kind: Service
            metadata: {name: a}
            spec: {ports: [{port: 1}]}
            ---
            # nothing
            ---
            apiVersion: apps/v1
            kind: Deployment
            metadata: {name: a}
            ---
            apiVersion: serving.knative.dev/v1
            kind: Service
            metadata: {name: k}
            ---
            kind: Service
            metadata: {name: b}
            spec: {ports: [{port: 2}]}
            """)
        let list = try read(
            """
            {"kind": "List", "apiVersion": "v1", "items": [
              {"kind": "Service", "metadata": {"name": "a"}, "spec": {"ports": [{"port": 1}]}},
              {"kind": "Service", "metadata": {"name": "b"}, "spec": {"ports": [{"port": 2}]}}]}
            """)
        let typed = try read(
            "kind: ServiceList\nitems:\n- metadata: {name: a}\n  spec: {ports: [{port: 1}]}\n"
                + "- metadata: {name: b}\n  spec: {ports: [{port: 2}]}\n")
        #expect(documents.objects.count == 2)
        #expect(documents.objects == list.objects && list.objects == typed.objects)
        #expect(documents.notices.map(\.line) == [7, 11])
        #expect(list.notices.isEmpty)
        #expect(try read("").objects.isEmpty)
    }

    @Test(arguments: [
        (
            "kind: Service\nmetadata: {name: web}\nspec:\n  ports:\n  - port: http\n", 5, "spec.ports[0].port",
            "port: 80"
        ),
        (
            "kind: Service\nmetadata: {name: web}\nspec:\n  ports:\n  - name: x\n", 5, "spec.ports[0] has no port",
            "port: 80"
        ),
        ("kind: Service\nmetadata: {name: Web}\nspec: {ports: [{port: 1}]}\n", 2, "metadata.name", "small letters"),
        ("kind: Service\nmetadata: {name: a.b}\nspec: {ports: [{port: 1}]}\n", 2, "metadata.name", "small letters"),
        ("kind: Service\nmetadata: {name: web}\nspec: {type: Cluster}\n", 3, "ClusterIP, NodePort", "as it stands"),
        (
            "kind: Service\nmetadata: {name: web}\nspec:\n  clusterIP: 10.96.0.256\n  ports: [{port: 1}]\n", 4,
            "no IP address", "10.96.0.10"
        ),
        (
            "kind: Service\nmetadata: {name: web}\nspec:\n  ports: [{port: 1}, {port: 2}]\n", 4,
            "spec.ports[0] has no name", "name: http"
        ),
        ("kind: Service\nmetadata: {name: web}\nspec:\n  ports: [{port: 70000}]\n", 4, "1 to 65535", "port: 80"),
        ("kind: Service\nmetadata: {name: web}\nspec:\n  ports: [{port: \"80\"}]\n", 4, "the text \"80\"", "port: 80"),
        ("kind: Service\nmetadata: {name: web}\n", 1, "spec is missing", "spec:"),
        ("kind: Service\nspec: {}\n", 1, "metadata is missing", "metadata:"),
        ("metadata: {name: web}\n", 1, "kind is missing", "kind: Service"),
        ("a: 1\n---\nkind: Service\n\tx: 1\n", 4, "not YAML", "correct"),
        ("kind: Service\nkind: Node\n", 2, "kind stands twice", "line 1"),
        ("- a\n- b\n", 1, "must hold keys", "line of its own"),
        ("{\"kind\": \"Service\",\n \"metadata\": {}\n \"spec\": {}}", 3, "not JSON", "correct"),
        (
            "{\"kind\": \"Service\",\n \"metadata\": {\"name\": \"web\"},\n \"spec\": {\"ports\":\n [{\"port\": -1}]}}",
            4, "1 to 65535", "port: 80"
        ),
        (
            "kind: Service\nmetadata: {name: a}\nspec: {clusterIP: None}\n---\nkind: Service\nmetadata: {name: a}\nspec: {clusterIP: None}\n",
            5, "same object as line 1", "rename"
        ),
    ])
    func `a bad manifest is refused with line, reason and what to write`(
        text: String, line: Int, reason: String, advice: String
    ) {
        let error = #expect(throws: ManifestError.self) { try read(text) }
        #expect(error?.line == line, "\(error.map { "\($0)" } ?? "")")
        #expect(error?.reason.contains(reason) == true, "\(error.map { "\($0)" } ?? "")")
        #expect(error?.advice.contains(advice) == true, "\(error.map { "\($0)" } ?? "")")
        #expect(error?.description.hasPrefix("shop.yaml:\(line): ") == true)
    }

    @Test(arguments: ["10.0.0", "10.0.0.0.1", "1e1.0.0.1", "10.0.0.-1", "", "10..0.1", "0x10.0.0.1", "10.0.0.1/8"])
    func `what is no address is not guessed at`(text: String) {
        #expect(throws: ManifestError.self) { try service("{clusterIP: '\(text)x', ports: [{port: 1}]}") }
    }

    @Test func `size, depth and number are bounded`() {
        #expect(throws: ManifestError.self) {
            try Manifest(parsing: [UInt8](repeating: 35, count: Manifest.sizeLimitBytes + 1), file: "big.yaml")
        }
        #expect(throws: ManifestError.self) { try read("kind: " + String(repeating: "[", count: 5000)) }
        #expect(throws: ManifestError.self) {
            try read("{\"kind\": " + String(repeating: "[", count: 5000) + String(repeating: "]", count: 5000) + "}")
        }
        let endpoints = (0...10_000).map { _ in "- addresses: [10.1.0.1]\n" }.joined()
        #expect(throws: ManifestError.self) { try slice("endpoints:\n" + endpoints) }
    }

    @Test func `mutated manifests are read or refused, and a refusal points into the file`() {
        let samples = [
            "kind: Service\nmetadata: {name: web, namespace: shop}\nspec:\n  clusterIP: 10.96.0.1\n  ports:\n  - {name: http, port: 80}\n",
            "kind: List\nitems:\n- kind: Endpoints\n  metadata: {name: w}\n  subsets: [{addresses: [{ip: 10.1.0.1}], ports: [{port: 1}]}]\n",
            #"{"kind":"EndpointSlice","apiVersion":"discovery.k8s.io/v1","metadata":{"name":"s","labels":{"kubernetes.io/service-name":"w"}},"addressType":"IPv6","ports":[{"port":1}],"endpoints":[{"addresses":["fd00::1"],"conditions":{"ready":true}}]}"#,
        ].map { Array($0.utf8) }
        var readCount = 0
        for seed in 0..<6000 as Range<UInt64> {
            var random = SeededRandom(seed: seed)
            var bytes = samples[Int(seed % 3)]
            for _ in 0...Int.random(in: 0..<4, using: &random) {
                let index = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[index] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.remove(at: index)
                case 2: bytes.insert(bytes.randomElement(using: &random) ?? 32, at: index)
                default: bytes.removeSubrange(index..<min(bytes.count, index + 20))
                }
                if bytes.isEmpty { bytes = [32] }
            }
            do {
                _ = try Manifest(parsing: bytes, file: "f")
                readCount += 1
            } catch {
                let lineCount = bytes.count { $0 == 10 } + 2
                #expect((1...lineCount).contains(error.line), "seed \(seed): \(error)")
                #expect(!error.advice.isEmpty)
            }
        }
        #expect((500...5500).contains(readCount), "\(readCount) were read")
    }
}
