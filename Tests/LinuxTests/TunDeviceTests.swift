import CLinux
import Glibc
import Linux
import Synchronization
import Testing

private let needsRoot: Comment = "needs root: opens TUN interfaces"

struct TunDeviceTests {
    @Test(arguments: ["", "sixteen-letters-", "a b", "a/b", ".", ".."])
    func `a name that no interface can have is refused`(name: String) {
        #expect(throws: TunError.invalidName(name)) { try TunDevice(name: name) }
    }

    @Test(.enabled(if: geteuid() == 0, needsRoot))
    func `an interface is opened once, with offloads, and is gone when closed`() throws {
        let outcome = Mutex("")
        // In a namespace of its own, which ends with the thread.
        let thread = try Thread(name: "test") {
            let text: String
            do {
                guard linux_new_network_namespace() == 0 else { throw SystemError("unshare", code: EPERM) }
                let first = try TunDevice(name: "mesh-test")
                let second = Result { try TunDevice(name: "mesh-test") }
                let taken = if case .failure(TunError.nameTaken("mesh-test")) = second { true } else { false }
                text = "\(first.name) \(first.offloads.contains([.checksums, .tcp])) \(taken)"
            } catch {
                text = "\(error)"
            }
            let index = unsafe if_nametoindex("mesh-test")
            outcome.withLock { $0 = "\(text) \(index)" }
        }
        thread.join()
        #expect(outcome.withLock { $0 } == "mesh-test true true 0")
    }

    @Test func `errors say what to do`() {
        #expect(TunError.notPermitted.description.contains("CAP_NET_ADMIN"))
        #expect(TunError.missingDevice.description.contains("modprobe tun"))
        #expect(TunError.nameTaken(interface: "mesh0").description.contains("config.yaml"))
    }
}
