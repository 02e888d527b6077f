import Glibc
import Synchronization

#if FUZZING
import CFuzzer
#endif

/// The main program of every fuzz target: built by scripts/fuzz, a fuzzer that is guided by coverage; built otherwise, it goes
/// once through the files named as arguments.
package enum Fuzzing {
    /// A closure in a `Mutex` itself would get another wrapping with each access.
    private final class Target: Sendable {
        let run: @Sendable ([UInt8]) -> Void

        init(_ run: @escaping @Sendable ([UInt8]) -> Void) {
            self.run = run
        }
    }

    private static let target = Mutex<Target?>(nil)

    /// Gives inputs to `run`, which must take or refuse them; never returns.
    package static func main(_ run: @escaping @Sendable ([UInt8]) -> Void) -> Never {
        target.withLock { $0 = Target(run) }
        #if FUZZING
        var count = CommandLine.argc
        var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = unsafe CommandLine.unsafeArgv
        let status = unsafe LLVMFuzzerRunDriver(&count, &arguments) { start, count in
            Fuzzing.run(unsafe Array(UnsafeBufferPointer(start: start, count: count)))
            return 0
        }
        exit(status)
        #else
        let paths = CommandLine.arguments.dropFirst()
        for path in paths { run(bytes(of: path)) }
        print("\(paths.count) inputs")
        exit(0)
        #endif
    }

    private static func run(_ bytes: [UInt8]) {
        target.withLock { $0 }?.run(bytes)
    }

    private static func bytes(of path: String) -> [UInt8] {
        guard let file = unsafe fopen(path, "r") else { preconditionFailure("cannot read \(path)") }
        defer { unsafe fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        let count = unsafe fread(&bytes, 1, bytes.count, file)
        return Array(bytes.prefix(count))
    }
}
