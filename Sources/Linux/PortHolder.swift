import Glibc
package import Wire

/// The process that has a port, as far as this one may see it: to look into another user's takes root.
package struct PortHolder: Equatable, Sendable, CustomStringConvertible {
    /// Its number and name, where they can be seen.
    package let process: Int?
    package let name: String?
    /// Whose it is.
    package let user: String

    package var description: String {
        if let name, let process { "\(name) (process \(process))" } else { "a program of user \(user)" }
    }

    /// Who is bound to `endpoint`, or to its port at every address; `nil` when nobody is.
    ///
    /// Source: proc(5), `/proc/net/udp` and its like: the second column is address and port, the eighth the user, the tenth the
    /// socket's inode.
    package static func find(_ endpoint: Endpoint, isStream: Bool) -> PortHolder? {
        let table = "/proc/net/\(isStream ? "tcp" : "udp")"
        var user: Substring?
        var sockets: Set<String> = []
        for line in lines(of: table) + lines(of: table + "6") {
            let fields = line.split { $0 == " " }
            guard fields.count > 9, isMatch(fields[1], endpoint), !isStream || fields[3] == "0A" else { continue }
            sockets.insert("socket:[\(fields[9])]")
            user = user ?? fields[7]
        }
        guard let user else { return nil }
        let owner = name(ofUser: user)
        for process in entries(of: "/proc").compactMap({ Int($0) }).sorted() {
            let folder = "/proc/\(process)/fd"
            guard entries(of: folder).contains(where: { sockets.contains(target(of: "\(folder)/\($0)")) }) else {
                continue
            }
            let name = lines(of: "/proc/\(process)/comm").first ?? "a program"
            return PortHolder(process: process, name: name, user: owner)
        }
        return PortHolder(process: nil, name: nil, user: owner)
    }

    /// As /etc/passwd calls a user; the number where it does not.
    private static func name(ofUser number: Substring) -> String {
        for line in lines(of: "/etc/passwd") {
            let fields = line.split(omittingEmptySubsequences: false) { $0 == ":" }
            if fields.count > 2, fields[2] == number { return String(fields[0]) }
        }
        return String(number)
    }

    /// `0100007F:0035`: each 32 bits of the address in the machine's order, the port as it is read.
    private static func isMatch(_ field: Substring, _ endpoint: Endpoint) -> Bool {
        let parts = field.split { $0 == ":" }
        guard parts.count == 2, UInt16(parts[1], radix: 16) == endpoint.port else { return false }
        let digits = Array(parts[0])
        let words = stride(from: 0, to: digits.count, by: 8).compactMap { start in
            UInt32(String(digits[start..<min(start + 8, digits.count)]), radix: 16).map { UInt32(bigEndian: $0) }
        }
        if words.allSatisfy({ $0 == 0 }) { return words.count == 4 || endpoint.address.isIPv4 }
        switch endpoint.address {
        case .v4(let address): return words == [address.rawValue] || words == [0, 0, 0xffff, address.rawValue]
        case .v6(let address):
            return words.count == 4 && UInt64(words[0]) << 32 | UInt64(words[1]) == address.high
                && UInt64(words[2]) << 32 | UInt64(words[3]) == address.low
        }
    }

    /// Nothing where it cannot be read: what is not seen is not named.
    private static func lines(of path: String) -> [String] {
        guard let file = try? FileDescriptor.open(path, flags: O_RDONLY) else { return [] }  // As said above.
        var bytes: [UInt8] = []
        while case .bytes = try? file.read(into: &bytes, limit: 1 << 16), bytes.count < 16 << 20 {}  // As said above.
        return String(decoding: bytes, as: UTF8.self).split { $0 == "\n" }.map { String($0) }
    }

    private static func entries(of path: String) -> [String] {
        guard let folder = unsafe opendir(path) else { return [] }
        defer { unsafe closedir(folder) }
        var names: [String] = []
        while let entry = unsafe readdir(folder) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { start in
                unsafe start.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            names.append(name)
        }
        return names
    }

    private static func target(of path: String) -> String {
        unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 128) { buffer in
            let count = unsafe readlink(path, buffer.baseAddress!, 127)
            guard count > 0 else { return "" }
            let bytes = unsafe buffer[..<count].map { UInt8(bitPattern: $0) }
            return String(decoding: bytes, as: UTF8.self)
        }
    }
}
