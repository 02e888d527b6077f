import Glibc
import QR
import Testing

@Suite struct QRCodeTests {
    /// A configuration of real length.
    static let configuration = """
        [Interface]
        PrivateKey = yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=
        Address = 10.130.7.200/32, fd12:3456:789a::c8/128
        MTU = 1408

        [Peer]
        PublicKey = xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=
        PresharedKey = TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0=
        Endpoint = [2001:db8::1]:20007
        AllowedIPs = 10.128.0.0/9, fd12:3456:789a::/48
        PersistentKeepalive = 25

        """

    @Test(arguments: ["a", "0123456789", configuration])
    func `another program reads the code back`(_ text: String) throws {
        let code = try QRCode(text)
        #expect(try decode(code) { code.isDark(row: $0, column: $1) } == text)
    }

    @Test(arguments: [false, true])
    func `the half blocks draw the same code`(_ isInverted: Bool) throws {
        let code = try QRCode(Self.configuration)
        let lines = code.lines(isInverted: isInverted).map(Array.init)
        let side = code.size + 2 * QRCode.quietZone
        #expect(lines.count == (side + 1) / 2)
        #expect(lines.allSatisfy { $0.count == side })
        let read = try decode(code) { row, column in
            let block = lines[(row + QRCode.quietZone) / 2][column + QRCode.quietZone]
            let isDrawn = block == "█" || block == ((row + QRCode.quietZone).isMultiple(of: 2) ? "▀" : "▄")
            return isDrawn == isInverted
        }
        #expect(read == Self.configuration)
    }

    @Test func `the quiet zone is light on every side`() throws {
        let code = try QRCode("a")
        #expect(!code.isDark(row: -1, column: 0) && !code.isDark(row: 0, column: code.size))
        let lines = code.lines()
        #expect(lines[0].allSatisfy { $0 == "█" } && lines[1].allSatisfy { $0 == "█" })
        #expect(lines.allSatisfy { $0.hasPrefix("████") && $0.hasSuffix("████") || $0.allSatisfy { $0 == "▀" } })
    }

    @Test func `text too long for any code is refused with its length`() throws {
        #expect(try QRCode(String(repeating: "x", count: 2953)).size == 177)
        #expect {
            try QRCode(String(repeating: "x", count: 2954))
        } throws: {
            ($0 as? QRCode.TooLong)?.byteCount == 2954
        }
    }

    /// Draws the code as a PGM picture and has zbarimg read it.
    private func decode(_ code: QRCode, isDark: (Int, Int) -> Bool) throws -> String {
        let scale = 4
        let side = (code.size + 2 * QRCode.quietZone) * scale
        var picture = Array("P5\n\(side) \(side)\n255\n".utf8)
        for y in 0..<side {
            for x in 0..<side {
                let (row, column) = (y / scale - QRCode.quietZone, x / scale - QRCode.quietZone)
                let inside = (0..<code.size).contains(row) && (0..<code.size).contains(column)
                picture.append(inside && isDark(row, column) ? 0 : 255)
            }
        }
        var template = Array("/tmp/kubemesh-qr-XXXXXX".utf8CString)
        let file = unsafe mkstemp(&template)
        try #require(file >= 0)
        defer { unsafe _ = unlink(template) }
        let written = unsafe picture.withUnsafeBytes { unsafe write(file, $0.baseAddress, $0.count) }
        close(file)
        try #require(written == picture.count)
        let path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        guard let pipe = unsafe popen("zbarimg --nodbus --quiet --raw -Sbinary=0 \(path) 2>&1", "r") else { return "" }
        var output: [UInt8] = []
        while case let byte = unsafe fgetc(pipe), byte >= 0 { output.append(UInt8(byte)) }
        #expect(unsafe pclose(pipe) == 0)
        // zbarimg ends each code with a line end of its own.
        return String(decoding: output.dropLast(), as: UTF8.self)
    }
}
