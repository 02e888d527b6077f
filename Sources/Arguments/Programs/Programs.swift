/// The command lines of KubeMesh's programs: the only place where a command or an option is declared.
package enum Programs {
    /// The release that these programs belong to.
    package static let version = "0.1.0"

    /// Those that have a manual page.
    package static let all = [meshctl, meshd]

    static let exitCodes: [(code: Int32, text: String)] = [
        (0, "Done."),
        (1, "Failed; the message on standard error names the reason and the next step."),
        (64, "The command line cannot be understood."),
    ]
    static let configurationExitCode: (code: Int32, text: String) = (
        78, "The configuration is wrong; every fault is named with its file, line and key."
    )
    static let notPermittedExitCode: (code: Int32, text: String) = (77, "Not permitted: run it as root.")

    static let configurationFile = (
        path: "/etc/kubemesh/config.yaml", text: "The configuration; see kubemesh-config(5)."
    )
    static let stateDirectory = (
        path: "/var/lib/kubemesh/", text: "Keys, certificates and what the node knows of its mesh; mode 0700."
    )
    static let socket = (path: "/run/kubemesh/meshd.sock", text: "Where meshd answers meshctl.")
}
