extension Programs {
    package static let meshctl = Program(
        Command(
            "meshctl", "direct the KubeMesh agent of this host",
            discussion: [
                "KubeMesh is an encrypted network for containers on many hosts, with no server in the middle. On the "
                    + "first host, 'meshctl up' creates a mesh and prints a token; on every other host, "
                    + "'meshctl up TOKEN' joins it. Then containers reach each other by address and by service, through "
                    + "NATs too."
            ],
            options: [
                Option("json", "print JSON instead of text; errors too, on standard error"),
                Option("socket", "talk to the agent that listens here", takes: "PATH", as: .file),
            ],
            commands: [
                up, down, status, peers, ping, netcheck, trace, why, services, endpoints, service, dns, relay, invite,
                wireguard, config, reload, versions, completion, man,
            ],
            examples: [
                Command.Example("meshctl up", "create a mesh on the first host"),
                Command.Example("meshctl up TOKEN", "join it on another host"),
                Command.Example("meshctl peers", "see who is there and which way packets go"),
                Command.Example("meshctl services", "see what is served, and where"),
            ]),
        section: 1,
        environment: [
            ("KUBEMESH_SOCKET", "The agent's socket where --socket is not given."),
            ("NO_COLOR", "If set and not empty, output has no colour."),
        ],
        files: [socket, configurationFile, stateDirectory],
        exitCodes: exitCodes + [
            (69, "The agent cannot be reached, or ended before it answered."), notPermittedExitCode,
            configurationExitCode,
        ],
        seeAlso: ["meshd(8)", "kubemesh-config(5)", "wg-quick(8)"])

    private static let timeout = Option(
        "timeout", "wait this long for the mesh to be ready (default 15s)", takes: "TIME", as: .duration(1...3600))

    private static let configuration = Option(
        "config", "start the agent with this configuration", takes: "PATH", as: .file)
    private static let stateDirectoryOption = Option(
        "state-directory", "start the agent with its keys and state here", takes: "PATH", as: .file)

    private static let up = Command(
        "up", "create, join or resume the mesh",
        discussion: [
            "Starts the agent if it is not running: through systemd where that runs the host, else by itself. Without "
                + "a token it resumes the mesh that this host belongs to, or creates one. Returns when the mesh is "
                + "ready, or says what is missing.",
            "An agent that has a socket, a configuration or a state directory of its own is started without systemd, "
                + "and logs to meshd.log in its state directory or to /var/log/kubemesh.log.",
        ],
        arguments: [Argument("TOKEN", "the join token that another host of the mesh printed", isOptional: true)],
        options: [
            Option("name", "call this node so (default: the host's name)", takes: "NAME"),
            Option(
                "advertise", "let the mesh reach this network through this node; may be repeated", takes: "PREFIX",
                isRepeatable: true),
            timeout,
            configuration, stateDirectoryOption,
        ],
        examples: [
            Command.Example("sudo meshctl up", "create a mesh, or resume the one on disk"),
            Command.Example("sudo meshctl up --name gateway TOKEN", "join a mesh under another name"),
        ])

    private static let down = Command(
        "down", "take the mesh off this host",
        discussion: [
            "Ends the agent and takes away its interface, routes, rules and kernel settings, so that the host is as it "
                + "was. Identity and configuration stay, and 'meshctl up' resumes them.",
            "An agent that was killed has left its rules behind: it is started once more to take them away.",
        ],
        options: [
            Option(
                "timeout", "wait this long for the agent to end (default 15s)", takes: "TIME", as: .duration(1...3600)),
            configuration,
            stateDirectoryOption,
        ])

    private static let status = Command(
        "status", "show how this node is doing",
        options: [Option("counters", "show what was counted, too")])

    private static let peers = Command(
        "peers", "list the nodes and clients of the mesh, and the path to each")

    private static let ping = Command(
        "ping", "measure the way to a node, and show the path taken",
        arguments: [Argument("NODE", "a node's name, or an address inside its prefixes")],
        options: [Option("count", short: "n", "send this many probes (default 5)", takes: "N", as: .number(1...1000))])

    private static let netcheck = Command(
        "netcheck", "find out what NATs and firewalls stand in the way",
        discussion: [
            "Asks other nodes, and STUN servers where the configuration names some, what they see of this host, and has "
                + "them try to reach it. Shows the kind of NAT and what follows from it, at which addresses strangers get "
                + "in, and how far the relays are. Takes a few seconds. Fails where UDP is blocked."
        ])

    private static let trace = Command(
        "trace", "show the hops on the way to a node, each measured",
        discussion: ["Times are from this host to the hop and back, through the mesh."],
        arguments: [Argument("NODE", "a node's name, or an address inside its prefixes")])

    private static let why = Command(
        "why", "say why the way to a node or a service is as it is, or where it fails",
        discussion: [
            "For a node, goes through every step from its certificate to the path in use, with what is known of each: which "
                + "addresses were tried, what the NATs on both sides do, which relays were measured. With two names the "
                + "first node is asked, over the mesh, how it reaches the second.",
            "For a service, or an address of one, goes from its name over its address, its port and its endpoints to the "
                + "paths to their nodes: what a client on this host would get, and why not the rest. A name that both a "
                + "node and a service have is the node's: write web.default for the service. An address may be a service's, "
                + "an endpoint's, a container's, or a node's with a node port.",
        ],
        arguments: [
            Argument(
                "NODE",
                "the node, service or address (with :PORT or not) that is to be reached; with TARGET, the node "
                    + "that wants to reach it"),
            Argument("TARGET", "the node that is to be reached", isOptional: true),
        ],
        examples: [
            Command.Example("meshctl why edge-7", "why packets of this host to edge-7 are relayed"),
            Command.Example("meshctl why edge-3 edge-7", "the same, as edge-3 sees it"),
            Command.Example("meshctl why web.shop:80", "what a client of the service web in the namespace shop gets"),
            Command.Example("meshctl why 10.96.0.10:53/udp", "what becomes of packets to an address"),
        ])

    private static let relay = Command(
        "relay", "watch and direct what this node relays for others",
        discussion: [
            "A node that others can reach relays sealed packets for members that cannot reach each other. Changes made here "
                + "hold until the agent restarts; relay.enabled in the configuration holds for good."
        ],
        commands: [
            Command("on", "relay for others again"),
            Command("off", "stop relaying at once; those who relay here find another way by themselves"),
            Command(
                "drain", "stop relaying without losing a packet",
                discussion: ["Takes no new circuits and has those that run moved to other relays first."]),
            Command("status", "show circuits, members and what was forwarded"),
        ])

    private static let invite = Command(
        "invite", "make a join token",
        discussion: [
            "The token holds the mesh's secret: hand it over as you would a password. It is good while it is unexpired "
                + "and unused, even while this host is unreachable."
        ],
        options: [
            Option("uses", "let this many nodes join with it (default 1)", takes: "N", as: .number(1...100_000)),
            Option(
                "expiry", "let it expire after this time (default 1d)", takes: "TIME", as: .duration(60...315_360_000)),
            Option("name-pattern", "admit only names such as 'edge-*'", takes: "PATTERN"),
            Option("no-relay", "do not let these nodes relay for others"),
            Option("prefix-pool", "take the nodes' IPv4 prefixes from here", takes: "PREFIX"),
        ],
        examples: [
            Command.Example("meshctl invite --uses 20 --expiry 7d --name-pattern 'edge-*'", "admit a fleet")
        ])

    private static let wireguard = Command(
        "wireguard", "manage stock WireGuard clients: phones, laptops, routers",
        commands: [
            Command(
                "add", "admit a client and print its configuration",
                discussion: [
                    "The client reaches every container of the mesh through this node. Its private key is printed once "
                        + "and kept nowhere."
                ],
                arguments: [Argument("NAME", "what to call the client")],
                options: [
                    Option(
                        "endpoint", "where the client shall dial this node, if not at its own address",
                        takes: "HOST:PORT"),
                    Option(
                        "qr", "print a QR code, for phones", takes: "WHEN", as: .choice(["auto", "always", "never"])),
                    Option("output", "write the configuration to this new file, mode 0600", takes: "FILE", as: .file),
                ],
                examples: [
                    Command.Example("meshctl wireguard add phone", "show a QR code to scan"),
                    Command.Example("meshctl wireguard add laptop --output laptop.conf", "write a file for wg-quick"),
                ]),
            Command("list", "list the clients admitted at this node"),
            Command(
                "remove", "take a client's admission back",
                arguments: [Argument("NAME", "the client's name")]),
        ])

    private static let config = Command(
        "config", "work with the configuration",
        commands: [
            Command(
                "check", "say whether a configuration is good",
                arguments: [
                    Argument("FILE", "the file (default /etc/kubemesh/config.yaml)", as: .file, isOptional: true)
                ])
        ])

    private static let reload = Command(
        "reload", "put the changed configuration in force, without dropping flows")

    private static let versions = Command("version", "print the versions of meshctl and of the agent")

    private static let completion = Command(
        "completion", "print a completion script",
        arguments: [Argument("SHELL", "the shell that will read it", as: .choice(["bash", "zsh"]))], isHidden: true)

    private static let man = Command(
        "man", "print a manual page as roff",
        arguments: [
            Argument("PAGE", "which page (default meshctl)", as: .choice(["meshctl", "meshd"]), isOptional: true)
        ], options: [Option("markdown", "print it as Markdown instead")], isHidden: true)
}
