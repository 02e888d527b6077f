import Glibc
import Lab

// Three hosts in network namespaces that run KubeMesh: what scripts/demo starts once it has built the package.

let usage = """
    usage: meshlab demo --files DIR [--plain] [--keep]   run the demo with the programs below DIR
           meshlab measure --files DIR                   print figures beside their goals
           meshlab stop                                  end a demo that was left up
    """

func fail(_ code: Int32, _ message: String) -> Never {
    Screen.write("meshlab: \(message)", to: STDERR_FILENO)
    exit(code)
}

var arguments = CommandLine.arguments.dropFirst()
let run = Run(named: "demo")

let verb = arguments.popFirst()
switch verb {
case "demo", "measure":
    var files: String?
    var options = Demo.Options()
    while let argument = arguments.popFirst() {
        switch argument {
        case "--files": files = arguments.popFirst()
        case "--plain": options.usesDocker = false
        case "--keep": options.keepsUp = true
        default: fail(64, "unknown argument '\(argument)'\n\(usage)")
        }
    }
    guard let files else { fail(64, "--files is missing\n\(usage)") }
    if verb == "measure" { exit(Figures(run: Run(named: "figures"), files: files).measure()) }
    exit(Demo(run: run, files: files, options: options).perform())
case "stop":
    guard Files.exists(run.folder) else { fail(1, "no demo is up") }
    guard !run.isInUse || run.isKept else { fail(1, "a demo is running: end it with Ctrl-C where it runs") }
    run.remove()
    Screen.write("The demo is down.")
default: fail(64, usage)
}
