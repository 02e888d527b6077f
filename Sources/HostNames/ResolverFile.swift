package import Wire

/// The text of a resolv.conf(5), and our block in it:
///
/// ```
///   # kubemesh: ...
///   nameserver 169.254.96.16
///   # kubemesh end
///   (the file as it was)
/// ```
/// The block stands first, since the first server that answers is believed; the others stay behind it for when ours is not
/// there. Taking it out gives the file back byte for byte, whatever others have changed around it in the meantime.
package struct ResolverFile: Equatable, Sendable {
    /// A server's address, with the interface it is reached through where the file says so (`fe80::1%eth0`).
    package struct Server: Hashable, Sendable {
        package let address: IPAddress
        package let interface: String?
    }

    private static let opening = "# kubemesh: names of the mesh; 'meshctl down' takes these lines out again"
    private static let closing = "# kubemesh end"
    /// Before a line of others that must not count as long as ours does.
    private static let mute = "# kubemesh mutes "

    package let text: [UInt8]

    package init(_ text: [UInt8]) {
        self.text = text
    }

    package var hasBlock: Bool { lines.contains { $0.elementsEqual(Self.opening.utf8) } }

    /// The file with our block at its top, in place of an older one.
    ///
    /// With `options rotate` every server is asked in turn, and all but ours would deny the mesh's names: they are muted.
    package func with(servers: [IPAddress]) -> ResolverFile {
        let plain = without()
        var block = Self.opening + "\n"
        for server in servers { block += "nameserver \(server)\n" }
        block += Self.closing + "\n"
        guard plain.words(of: "options").contains(where: { $0.elementsEqual("rotate".utf8) }) else {
            return ResolverFile(Array(block.utf8) + plain.text)
        }
        var text = Array(block.utf8)
        for (line, end) in plain.terminatedLines {
            if Self.words(line).first?.elementsEqual("nameserver".utf8) == true { text += Array(Self.mute.utf8) }
            text += line + end
        }
        return ResolverFile(text)
    }

    /// The file as it would be without us.
    package func without() -> ResolverFile {
        var text: [UInt8] = []
        var isInside = false
        // A block whose end somebody took away has at least our server behind its beginning.
        let hasEnd = lines.contains { $0.elementsEqual(Self.closing.utf8) }
        for (line, end) in terminatedLines {
            if line.elementsEqual(Self.opening.utf8) {
                isInside = true
            } else if isInside {
                isInside = hasEnd && !line.elementsEqual(Self.closing.utf8)
            } else {
                text += (line.starts(with: Self.mute.utf8) ? line.dropFirst(Self.mute.utf8.count) : line) + end
            }
        }
        return ResolverFile(text)
    }

    /// The servers that others wrote into the file, in order.
    package var servers: [Server] {
        without().lines.compactMap { line in
            let words = Self.words(line)
            guard words.count >= 2, words[0].elementsEqual("nameserver".utf8) else { return nil }
            let parts = words[1].split(separator: UInt8(ascii: "%"), maxSplits: 1)
            guard let first = parts.first, let address = IPAddress(String(decoding: first, as: UTF8.self)) else {
                return nil
            }
            let interface = parts.count > 1 ? String(decoding: parts[1], as: UTF8.self) : nil
            return Server(address: address, interface: interface)
        }
    }

    /// The domains that names are looked for in; of several lines the last counts. systemd-resolved writes a lone dot for none.
    package var searchDomains: [String] {
        var domains: [String] = []
        for line in lines {
            let words = Self.words(line)
            guard let first = words.first, words.count > 1,
                first.elementsEqual("search".utf8) || first.elementsEqual("domain".utf8)
            else { continue }
            domains = words.dropFirst().map { String(decoding: $0, as: UTF8.self) }.filter { $0 != "." }
        }
        return domains
    }

    // MARK: lines

    private var terminatedLines: [(line: ArraySlice<UInt8>, end: ArraySlice<UInt8>)] {
        var found: [(line: ArraySlice<UInt8>, end: ArraySlice<UInt8>)] = []
        var rest = text[...]
        while !rest.isEmpty {
            let line = rest.prefix { $0 != UInt8(ascii: "\n") }
            rest = rest.dropFirst(line.count)
            found.append((line, rest.prefix(1)))
            rest = rest.dropFirst()
        }
        return found
    }

    private var lines: [ArraySlice<UInt8>] { terminatedLines.map(\.line) }

    private func words(of keyword: String) -> [ArraySlice<UInt8>] {
        lines.map { Self.words($0) }.filter { $0.first?.elementsEqual(keyword.utf8) == true }.flatMap { $0.dropFirst() }
    }

    /// A line's words; none of a comment.
    private static func words(_ line: ArraySlice<UInt8>) -> [ArraySlice<UInt8>] {
        guard line.first != UInt8(ascii: "#"), line.first != UInt8(ascii: ";") else { return [] }
        return line.split { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") || $0 == UInt8(ascii: "\r") }
    }
}
