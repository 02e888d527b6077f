import CLinux
import Glibc

/// Why the TUN interface could not be opened.
package enum TunError: Error, Equatable, CustomStringConvertible {
    case missingDevice
    case notPermitted
    case nameTaken(interface: String)
    case invalidName(String)
    case refused(SystemError)

    package var description: String {
        switch self {
        case .missingDevice:
            "there is no /dev/net/tun: load the module (modprobe tun), or give the container that device"
        case .notPermitted:
            "cannot open a TUN interface: start meshd as root or grant it CAP_NET_ADMIN"
        case .nameTaken(let name):
            "interface \(name) is in use: stop its owner, or set interface: in config.yaml"
        case .invalidName(let name):
            "\"\(name)\" cannot name an interface: use 1 to 15 characters without spaces and slashes"
        case .refused(let error):
            "cannot open a TUN interface: \(error)"
        }
    }
}

/// A TUN interface whose packets carry virtio headers, so that the kernel hands over and takes super-packets.
///
/// Closing it removes the interface, unless it was made persistent: then routes and addresses on it outlive the process, and
/// the next one of that name takes it over.
package final class TunDevice: Sendable {
    /// What the kernel leaves to us on reading and takes from us on writing.
    package struct Offloads: OptionSet, Sendable {
        package let rawValue: UInt32

        package init(rawValue: UInt32) {
            self.rawValue = rawValue
        }

        package static let checksums = Offloads(rawValue: UInt32(LINUX_TUN_CHECKSUM))
        package static let tcp = Offloads(rawValue: UInt32(LINUX_TUN_TSO4 | LINUX_TUN_TSO6))
        /// UDP super-packets, since Linux 6.2.
        package static let udp = Offloads(rawValue: UInt32(LINUX_TUN_USO))
    }

    package let name: String
    package let offloads: Offloads
    /// Non-blocking.
    package let descriptor: FileDescriptor

    package init(name: String) throws(TunError) {
        guard (1...15).contains(name.utf8.count), !name.contains(where: { $0 == "/" || $0.isWhitespace }),
            name != ".", name != ".."
        else { throw .invalidName(name) }
        let number = unsafe linux_tun_open(name)
        switch -number {
        case ENOENT, ENODEV, ENXIO: throw .missingDevice
        case EPERM, EACCES: throw .notPermitted
        // EINVAL: an interface of that name exists and is of another kind.
        case EBUSY, EINVAL: throw .nameTaken(interface: name)
        case let code where code > 0: throw .refused(SystemError("open TUN \(name)", code: code))
        default: break
        }
        descriptor = FileDescriptor(owning: number)
        self.name = name
        let wanted: [Offloads] = [[.checksums, .tcp, .udp], [.checksums, .tcp], []]
        offloads = wanted.first { linux_tun_set_offloads(number, $0.rawValue) == 0 } ?? []
    }

    package func setPersistent(_ isPersistent: Bool) throws(TunError) {
        let result = linux_tun_set_persistent(descriptor.number, isPersistent)
        if result < 0 { throw .refused(SystemError("keep interface \(name)", code: -result)) }
    }

    /// Reads one virtio header and packet; the result is the byte count or `-errno`.
    @unsafe package func read(_ buffer: UnsafeMutableRawPointer, limit: Int) -> Int {
        let count = unsafe Glibc.read(descriptor.number, buffer, limit)
        return count < 0 ? -Int(errno) : count
    }

    /// Writes one virtio header and packet; the result is the byte count or `-errno`.
    @unsafe package func write(_ buffer: UnsafeRawPointer, count: Int) -> Int {
        let written = unsafe Glibc.write(descriptor.number, buffer, count)
        return written < 0 ? -Int(errno) : written
    }
}
