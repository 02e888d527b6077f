import ControlAPI
import Glibc
import Linux

/// Small files, read and written whole.
enum HostFile {
    enum ReadError: Error, Equatable {
        case absent
        case tooLarge
        case refused(SystemError)
    }

    /// All of a file of at most `limit` bytes.
    static func contents(of path: String, limit: Int = 1 << 20) throws(ReadError) -> [UInt8] {
        var bytes: [UInt8] = []
        do throws(SystemError) {
            let file = try FileDescriptor.open(path, flags: O_RDONLY)
            while bytes.count <= limit, try file.read(into: &bytes, limit: 16 << 10) != .end {}
        } catch {
            throw error.code == ENOENT ? .absent : .refused(error)
        }
        guard bytes.count <= limit else { throw .tooLarge }
        return bytes
    }

    /// Bytes of a file from an offset on, at most the last `limit`; none where it cannot be read.
    static func bytes(of path: String, from offset: Int, limit: Int) -> [UInt8] {
        let number = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard number >= 0 else { return [] }
        let file = FileDescriptor(owning: number)
        lseek(number, max(offset, size(of: path) - limit), SEEK_SET)
        var bytes: [UInt8] = []
        while bytes.count < limit, let transfer = try? file.read(into: &bytes, limit: 4096), transfer != .end {}
        return bytes
    }

    static func size(of path: String) -> Int {
        var status = stat()
        return unsafe stat(path, &status) == 0 ? Int(status.st_size) : 0
    }

    static func target(ofLink path: String) -> String? {
        var characters = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = unsafe readlink(path, &characters, characters.count)
        return count > 0 ? String(decoding: characters.prefix(count).map(UInt8.init(bitPattern:)), as: UTF8.self) : nil
    }

    /// Whether a process has ended and only waits for its parent (proc(5): the third field of stat is Z).
    static func isZombie(_ process: pid_t) -> Bool {
        guard let bytes = try? contents(of: "/proc/\(process)/stat"), let end = bytes.lastIndex(of: UInt8(ascii: ")"))
        else { return true }
        return bytes.dropFirst(end + 2).first == UInt8(ascii: "Z")
    }

    static var hostName: String {
        var characters = [CChar](repeating: 0, count: 256)
        guard unsafe gethostname(&characters, characters.count) == 0 else { return "" }
        return String(decoding: characters.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}

/// A new file that only its owner may read. It is made before what belongs into it is asked for, since a secret that was
/// given out once cannot be had again.
struct SecretFile: ~Copyable {
    private let path: String
    private let descriptor: FileDescriptor

    init(path: String) throws(Failure) {
        let number = unsafe open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard number >= 0 else {
            let error = SystemError("create \(path)", code: errno)
            throw Failure(
                error.code == EACCES ? .notPermitted : .failed, "\(error)",
                nextStep: error.code == EEXIST ? "name a file that does not exist yet" : nil)
        }
        self.path = path
        descriptor = FileDescriptor(owning: number)
    }

    /// Writes the contents and makes them durable.
    func write(_ text: String) throws(Failure) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes {
                unsafe Glibc.write(descriptor.number, $0.baseAddress, $0.count)
            }
            guard count > 0 || errno == EINTR else {
                throw Failure(.failed, "\(SystemError("write \(path)", code: errno))")
            }
            rest = rest.dropFirst(max(0, count))
        }
        guard fsync(descriptor.number) == 0 else {
            throw Failure(.failed, "\(SystemError("fsync \(path)", code: errno))")
        }
    }

    /// Takes the file away again.
    func discard() { _ = unsafe unlink(path) }
}
