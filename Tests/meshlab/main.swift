import Glibc
import Lab

// Hosts in network namespaces that run KubeMesh: what scripts/demo, scripts/lab and Benchmarks/figures start once they have
// built the package.

let usage = """
    usage: meshlab demo --files DIR [--plain] [--keep]   run the demo with the programs below DIR
           meshlab measure --files DIR                   print figures beside their goals
           meshlab matrix|failover --files DIR --logs DIR [--runs N] [--at-once N] [--only NAME,...] [--write PAGE]
                                                         measure paths and print a table of Markdown
           meshlab trial NAME --files DIR                one run of one of these
           meshlab stop                                  end a demo that was left up
    """

func fail(_ code: Int32, _ message: String) -> Never {
    Screen.write("meshlab: \(message)", to: STDERR_FILENO)
    exit(code)
}

var arguments = CommandLine.arguments.dropFirst()
let run = Run(named: "demo")

let verb = arguments.popFirst()
var trial: String?
if verb == "trial" { trial = arguments.popFirst() }
var files: String?
var demo = Demo.Options()
var measurements = Measurements.Options()
while let argument = arguments.popFirst() {
    func number() -> Int {
        guard let number = arguments.popFirst().flatMap({ Int($0) }), number > 0 else {
            fail(64, "\(argument) needs a number")
        }
        return number
    }
    switch argument {
    case "--files": files = arguments.popFirst()
    case "--plain": demo.usesDocker = false
    case "--keep": demo.keepsUp = true
    case "--logs": measurements.logs = arguments.popFirst() ?? ""
    case "--runs": measurements.runs = number()
    case "--at-once": measurements.concurrency = number()
    case "--only": measurements.only = (arguments.popFirst() ?? "").split(separator: ",").map(String.init)
    case "--write": measurements.page = arguments.popFirst()
    default: fail(64, "unknown argument '\(argument)'\n\(usage)")
    }
}

if verb == "stop" {
    guard Files.exists(run.folder) else { fail(1, "no demo is up") }
    guard !run.isInUse || run.isKept else { fail(1, "a demo is running: end it with Ctrl-C where it runs") }
    run.remove()
    Screen.write("The demo is down.")
    exit(0)
}
guard let files else { fail(64, "--files is missing\n\(usage)") }
measurements.files = files
switch verb {
case "demo": exit(Demo(run: run, files: files, options: demo).perform())
case "measure": exit(Figures(run: Run(named: "figures"), files: files).measure())
case "matrix": exit(Measurements(options: measurements).matrix())
case "failover": exit(Measurements(options: measurements).failover())
case "trial":
    guard let trial = trial.flatMap({ Trial.all[$0] }) else { fail(64, "there is no trial '\(trial ?? "")'") }
    exit(trial.perform(files: files))
default: fail(64, usage)
}
