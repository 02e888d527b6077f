extension Programs {
    package static let meshd = Program(
        Command(
            "meshd", "the KubeMesh agent of one host",
            discussion: [
                "meshd joins this host to its mesh: it opens encrypted tunnels to the other hosts, gives the host its "
                    + "addresses on the interface mesh0, and routes between containers here and there.",
                "It is started by 'meshctl up', by systemd on hosts that have it, and then stays in the foreground. "
                    + "SIGHUP reloads the configuration, SIGTERM ends the agent and leaves the kernel's rules and routes "
                    + "for its successor; 'meshctl down' takes them away.",
            ],
            options: [
                Option("config", "read this file instead of /etc/kubemesh/config.yaml", takes: "PATH", as: .file),
                Option(
                    "state-directory", "keep keys and state here; overrides the configuration", takes: "PATH", as: .file
                ),
                Option("socket", "answer meshctl here; overrides the configuration", takes: "PATH", as: .file),
                Option("check", "check the configuration, say what is wrong with it, and end"),
                Option("foreground", "stay in the foreground, as meshd always does; accepted for scripts"),
                Option(
                    "log-level", "log this and what is more important; overrides the configuration", takes: "LEVEL",
                    as: .choice(["debug", "info", "notice", "warning", "error"])),
                Option("version", "print the version and end"),
            ],
            examples: [
                Command.Example("meshd --check --config new.yaml", "say whether a configuration is good"),
                Command.Example(
                    "meshd --config a.yaml --state-directory /tmp/a --socket /tmp/a.sock",
                    "run a second agent, in a network namespace for instance"),
            ]),
        section: 8,
        files: [configurationFile, stateDirectory, socket],
        exitCodes: exitCodes + [notPermittedExitCode, configurationExitCode],
        seeAlso: ["meshctl(1)", "kubemesh-config(5)"])
}
