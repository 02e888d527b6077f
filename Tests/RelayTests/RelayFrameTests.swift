import Relay
import Testing
import Wire

@Suite struct RelayFrameTests {
    @Test func `a header survives the wire and is refused when cut or changed`() throws {
        let header = RelayFrame.header(circuit: 0x0102_0304_0506_0708)
        #expect(header == [0x4b, 1, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8])
        #expect(try RelayFrame.circuit(of: header.span) == 0x0102_0304_0506_0708)
        for length in header.indices {
            let cut = Array(header[..<length])
            #expect(throws: WireError.truncated) { try RelayFrame.circuit(of: cut.span) }
        }
        for index in 0..<4 {
            var changed = header
            changed[index] ^= 0x10
            #expect(throws: WireError.self) { try RelayFrame.circuit(of: changed.span) }
        }
    }
}
