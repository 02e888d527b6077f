import Datapath
import SansIO
import Testing
import Wire

struct TooBigTests {
    private let session = TestSession()
    private let now = TestSession.start + .seconds(1)

    private func send(_ packet: [UInt8], mtu: Int = 1280) -> TestNode.Sent {
        let node = TestNode(session.tables1(mtu: mtu), now: now)
        return node.send(packet, at: now)
    }

    @Test func `an IPv4 packet with DF is answered with fragmentation needed`() throws {
        let packet = TestPacket(payload: Array(repeating: 1, count: 1300))
        let sent = send(packet.bytes)
        #expect(sent.trains.isEmpty)
        let reply = try #require(sent.replies.first)
        #expect(Array(reply[12..<16]) == packet.destination.bytes)
        #expect(Array(reply[16..<20]) == packet.source.bytes)
        #expect(reply[9] == 1)
        #expect(Array(reply[20..<22]) == [3, 4])
        #expect(Array(reply[26..<28]) == [1280 >> 8, 1280 & 0xff])
        #expect(Array(reply[28...]) == Array(packet.bytes.prefix(548)))
        #expect(TestPacket.sum(Array(reply[..<20])) == 0xffff)
        #expect(TestPacket.sum(Array(reply[20...])) == 0xffff)
    }

    @Test func `an IPv6 packet is answered with packet too big`() throws {
        let packet = TestPacket(
            source: TestPacket.v6Source, destination: TestPacket.v6Destination,
            payload: Array(repeating: 1, count: 1300))
        let reply = try #require(send(packet.bytes).replies.first)
        #expect(Array(reply[8..<24]) == packet.destination.bytes)
        #expect(Array(reply[24..<40]) == packet.source.bytes)
        #expect(Array(reply[40..<42]) == [2, 0])
        #expect(Array(reply[44..<48]) == [0, 0, 1280 >> 8, 1280 & 0xff])
        #expect(Array(reply[48...]) == Array(packet.bytes.prefix(1232)))
        let pseudoHeader =
            Array(reply[8..<40]) + [
                0, 0, UInt8((reply.count - 40) >> 8), UInt8((reply.count - 40) & 0xff), 0, 0, 0, 58,
            ]
        #expect(TestPacket.sum(pseudoHeader + reply[40...]) == 0xffff)
    }

    @Test func `later fragments and multicast get no answer, but are not sent either`() {
        let payload = Array(repeating: UInt8(1), count: 1300)
        var packets = [TestPacket(payload: payload, fragment: 0x4001)]
        packets.append(TestPacket(source: IPAddress("224.0.0.5")!, payload: payload))
        packets.append(
            TestPacket(source: IPAddress("ff02::1")!, destination: TestPacket.v6Destination, payload: payload))
        for (index, packet) in packets.enumerated() {
            let sent = send(packet.bytes)
            #expect(sent.trains.isEmpty && sent.replies.isEmpty, "packet \(index)")
        }
    }

    @Test func `a packet that may be fragmented on its way is sent`() {
        let sent = send(TestPacket(payload: Array(repeating: 1, count: 1300), fragment: 0).bytes)
        #expect(sent.trains.count == 1)
        #expect(sent.replies.isEmpty)
    }

    @Test func `a super-packet counts by its segments`() {
        let node = TestNode(session.tables1(mtu: 1280), now: now)
        let packet = TestPacket(payload: Array(repeating: 1, count: 5000))
        #expect(node.send([packet.superPacket(segmentSize: 1240)], at: now).trains.count == 1)
        #expect(node.send([packet.superPacket(segmentSize: 1241)], at: now).replies.count == 1)
    }

    @Test func `errors are not answered with errors, and answers are rationed`() {
        var bytes = TestPacket(payload: Array(repeating: 1, count: 1300)).bytes
        bytes[9] = 1
        bytes[20] = 3
        #expect(send(bytes).replies.isEmpty)

        let node = TestNode(session.tables1(mtu: 1280), now: now)
        let packet = TestPacket(payload: Array(repeating: 1, count: 1300)).bytes
        let replies = (0..<200).reduce(0) { count, _ in count + node.send(packet, at: now).replies.count }
        #expect(replies == 50)
        #expect(node.outboundDrops[.tooBig] == 200)
    }
}
