/// The commands of meshctl about services and names.
extension Programs {
    private static let namespace = Option("namespace", short: "n", "only services of this namespace", takes: "NAME")

    private static let serviceName = Argument(
        "SERVICE", "the service: web for web.default, web.shop, shop/web, or its DNS name")

    static let services = Command(
        "services", "list the services that this node knows, and what is wrong with them", options: [namespace])

    static let endpoints = Command(
        "endpoints", "list the endpoints of services, and what a client on this host gets of them",
        discussion: [
            "USED says which share of new connections an endpoint gets from this host, or why it gets none: it is not "
                + "ready, its node does not answer, a policy, hints or a preference keep to others, its weight is 0, or it "
                + "has no port of the service's name for it."
        ],
        arguments: [
            Argument(serviceName.name, "\(serviceName.summary); all where it is left out", isOptional: true)
        ])

    static let service = Command(
        "service", "add services to the mesh from this host, and look at one",
        discussion: [
            "What is added here is kept on this host's disk and told to all nodes of the mesh. Several hosts may add the "
                + "same service: its endpoints are those of all of them. For settings that have no option here, write a "
                + "manifest into /etc/kubemesh/services.d."
        ],
        commands: [
            add,
            Command(
                "rm", "take away a service that was added on this host",
                discussion: [
                    "A service that something else defines is not taken away: a manifest, a container's label, another node, "
                        + "Kubernetes. It is said where."
                ],
                arguments: [serviceName]),
            Command("list", "list the services that were added on this host"),
            Command("show", "show one service, with its endpoints", arguments: [serviceName]),
        ])

    private static let add = Command(
        "add", "add a service, or replace one that was added on this host",
        arguments: [Argument("NAME", "what to call it: web, or web.shop in the namespace shop")],
        options: [
            Option("namespace", short: "n", "the namespace where NAME has none (default: default)", takes: "NAME"),
            Option(
                "port", short: "p",
                "a port that clients connect to, and the one that endpoints listen on where that is another: 80, "
                    + "80:8080, 53/udp, 80:8080=http; may be repeated", takes: "PORT[:TARGET][/PROTOCOL][=NAME]",
                isRepeatable: true),
            Option(
                "endpoint", short: "e",
                "an address that serves it, of this host, a container or another machine; NODE where it is an address on "
                    + "another node; its share beside the others, 0 to 1000, where that is not 1; may be repeated",
                takes: "ADDRESS[@NODE][,weight=N]", isRepeatable: true),
            Option(
                "container", short: "c",
                "a container of this host that serves it, by its name; it is followed when it gets another address; may "
                    + "be repeated", takes: "NAME", isRepeatable: true),
            Option(
                "cluster-ip", "its address (default: the mesh chooses one); one of each family", takes: "ADDRESS",
                isRepeatable: true),
            Option("headless", "no address of its own: its name leads straight to its endpoints"),
            Option("external-name", "no endpoints: it is another name for this one", takes: "NAME"),
            Option(
                "node-port",
                "let clients outside the mesh use it at this port of every node; with several ports, PORT "
                    + "says which; may be repeated", takes: "[PORT:]NODEPORT", isRepeatable: true),
            Option(
                "affinity", "keep a client with its endpoint until it is silent for this long", takes: "TIME",
                as: .duration(1...86_400)),
            Option(
                "balancing", "how an endpoint is chosen (default random)", takes: "HOW",
                as: .choice(["random", "round-robin", "consistent-hash", "least-connections"])),
            Option(
                "prefer", "which endpoints go first (default: all share)", takes: "WHICH",
                as: .choice(["nearest", "same-node", "same-zone"])),
            Option("nearest", "the same as --prefer nearest: this node, else its LAN, else the lowest round trip"),
        ],
        examples: [
            Command.Example(
                "meshctl service add web --port 80:8080 --container nginx",
                "serve a container's port 8080 as web, port 80"),
            Command.Example(
                "meshctl service add db.shop --port 5432 --endpoint 192.168.7.5",
                "serve a machine of a network that this node announces (up --advertise)"),
            Command.Example(
                "meshctl service add dns --port 53/udp -e 10.130.7.2,weight=3 -e 10.130.9.2",
                "three of four queries go to the first endpoint"),
        ])

    static let dns = Command(
        "dns", "ask the name server of this node, and see what it remembers",
        commands: [
            Command(
                "lookup", "look a name up as a client of this node would",
                discussion: ["Fails where the answer holds nothing."],
                arguments: [
                    Argument("NAME", "the name; an address is looked up backwards"),
                    Argument("TYPE", "A, AAAA, SRV, PTR, TXT and so on (default A)", isOptional: true),
                ],
                options: [
                    Option(
                        "as", "answer as this client would be: names may be completed, and be others, for a container",
                        takes: "ADDRESS")
                ],
                examples: [
                    Command.Example("meshctl dns lookup web.shop.svc.cluster.local", "a service's address"),
                    Command.Example("meshctl dns lookup web --as 172.17.0.2", "what a container gets for a short name"),
                    Command.Example("meshctl dns lookup edge-7.mesh.internal AAAA", "a node's address"),
                ]),
            Command(
                "cache", "list the answers of other servers that are remembered",
                options: [Option("clear", "forget them")]),
        ])
}
