import Glibc

/// Starts a program found in PATH in a process group of its own, with these descriptors as its standard ones.
///
/// Every other descriptor of ours is close-on-exec, so the child has just these three.
func spawn(
    _ arguments: [String], input: Int32, output: Int32, errors: Int32
) throws(LabError) -> pid_t {
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    unsafe posix_spawn_file_actions_adddup2(&actions, input, 0)
    unsafe posix_spawn_file_actions_adddup2(&actions, output, 1)
    unsafe posix_spawn_file_actions_adddup2(&actions, errors, 2)

    var attributes = posix_spawnattr_t()
    unsafe posix_spawnattr_init(&attributes)
    defer { unsafe posix_spawnattr_destroy(&attributes) }
    unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK))
    unsafe posix_spawnattr_setpgroup(&attributes, 0)
    var noSignals = sigset_t()
    unsafe sigemptyset(&noSignals)
    unsafe posix_spawnattr_setsigmask(&attributes, &noSignals)

    var argv = unsafe arguments.map { unsafe strdup($0) } + [nil]
    defer { unsafe argv.forEach { unsafe free($0) } }
    var pid: pid_t = 0
    let failure = unsafe posix_spawnp(&pid, arguments[0], &actions, &attributes, &argv, environ)
    guard failure == 0 else { throw .system(call: "start", object: arguments[0], code: failure) }
    return pid
}

/// How a process ended: its exit status, or 128 plus the number of the signal that ended it.
func statusCode(of status: Int32) -> Int32 {
    status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + status & 0x7f
}

/// Reads what is there now; `false` at the end of the stream.
func drain(_ descriptor: Int32, into bytes: inout [UInt8]) -> Bool {
    var chunk = [UInt8](repeating: 0, count: 65536)
    while true {
        let count = unsafe read(descriptor, &chunk, chunk.count)
        guard count > 0 else { return count < 0 && errno == EAGAIN }
        bytes += chunk[..<count]
    }
}
