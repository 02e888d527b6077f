import CNetfilter
import Netlink
import SansIO
import Testing
import Wire

@Suite struct AttributeCursorTests {
    private func message() -> NetlinkMessage? {
        let message = MessageBuilder(type: 1, flags: 0)
        message.put(structure: nfgenmsg(nfgen_family: 2, version: 0, res_id: 0))
        message.put(1, bytes: [0x12, 0x34])
        message.nest(2) { nest in
            nest.put(3, text: "goto")
            nest.put(4, bytes: IPAddress("10.96.0.1")?.bytes ?? [])
        }
        message.put(1, bytes: [9])
        return NetlinkMessage.split(message.bytes).first
    }

    @Test func `attributes come in order, with what is nested in them`() throws {
        var cursor = try #require(message()).cursor(after: nfgenmsg.self)
        let one = cursor.next()
        let first = try #require(one)
        #expect(first.type == 1 && first.count == 2 && first.bigEndian(UInt16.self) == 0x1234)
        #expect(first.bigEndian(UInt32.self) == nil && first.address == nil)
        let two = cursor.next()
        var nest = try #require(two).nested
        #expect(nest.first(4)?.address == IPAddress("10.96.0.1"))
        let inner = nest.next()
        #expect(inner?.text == "goto")
        #expect(nest.first(3) == nil, "only from here on")
        let (three, four) = (cursor.next(), cursor.next())
        #expect(three?.bigEndian(UInt8.self) == 9)
        #expect(four?.type == nil)
    }

    @Test func `a message cut at any length or mutated ends the walk and nothing else`() throws {
        let whole = try #require(message()).bytes
        var random = SeededRandom(seed: 3)
        for round in 0..<20_000 {
            var bytes = round < whole.count ? Array(whole[..<round]) : whole
            if let index = bytes.indices.randomElement(using: &random) {
                bytes[index] = UInt8.random(in: 0...255, using: &random)
            }
            for message in NetlinkMessage.split(bytes) {
                var cursor = message.cursor(after: nfgenmsg.self)
                var count = 0
                while let attribute = cursor.next() {
                    count += attribute.nested.first(4)?.count ?? 1
                }
                #expect(count <= whole.count)
            }
        }
    }
}
