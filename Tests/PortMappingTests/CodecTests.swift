import SansIO
import Testing
import Wire

@testable import PortMapping

@Suite struct CodecTests {
    private let nonce: [UInt8] = Array(1...12)

    @Test func `a MAP request has the bytes of RFC 6887`() throws {
        let request = PCPMapRequest(
            nonce: nonce, client: .v4(IPv4Address(192, 168, 1, 10)), internalPort: 20007, suggestedPort: 20008,
            suggestedAddress: nil, lifetimeSeconds: 7200)
        let mapped: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]
        var expected: [UInt8] = [2, 1, 0, 0, 0, 0, 0x1c, 0x20]
        expected += mapped + [192, 168, 1, 10]
        expected += nonce + [17, 0, 0, 0, 0x4e, 0x27, 0x4e, 0x28]
        expected += mapped + [0, 0, 0, 0]
        #expect(request.bytes == expected)
        #expect(try PCPMapRequest(parsing: expected.span) == request)
    }

    @Test func `a MAP response and an announcement survive the wire`() throws {
        let external = Endpoint(.v4(IPv4Address(203, 0, 113, 5)), port: 4000)
        let content = PCPResponse.Content.map(nonce: nonce, internalPort: 20007, external: external)
        let response = PCPResponse(result: .success, lifetimeSeconds: 3600, epochSeconds: 77, content: content)
        let bytes = response.bytes
        #expect(bytes.count == 60)
        #expect(bytes[..<12] == [2, 0x81, 0, 0, 0, 0, 0x0e, 0x10, 0, 0, 0, 77])
        #expect(try PCPResponse(parsing: bytes.span) == response)
        #expect(try PCPResponse(parsing: (bytes + [128, 0, 0, 0]).span) == response, "options are passed over")
        let announcement = PCPResponse(result: .success, lifetimeSeconds: 0, epochSeconds: 3, content: .announcement)
        #expect(try PCPResponse(parsing: announcement.bytes.span) == announcement)
    }

    @Test func `NAT-PMP messages have the bytes of RFC 6886`() throws {
        #expect(NATPMPRequest.externalAddress.bytes == [0, 0])
        let request = NATPMPRequest.mapUDP(internalPort: 20007, suggestedPort: 20008, lifetimeSeconds: 7200)
        #expect(request.bytes == [0, 1, 0, 0, 0x4e, 0x27, 0x4e, 0x28, 0, 0, 0x1c, 0x20])
        #expect(try NATPMPRequest(parsing: request.bytes.span) == request)
        let contents: [NATPMPResponse.Content] = [
            .externalAddress(IPv4Address(203, 0, 113, 5)),
            .mapUDP(internalPort: 20007, externalPort: 20008, lifetimeSeconds: 3600),
            .refusal(.notAuthorized, opcode: 1),
        ]
        for content in contents {
            let response = NATPMPResponse(epochSeconds: 77, content: content)
            #expect(try NATPMPResponse(parsing: response.bytes.span) == response)
        }
        #expect(
            NATPMPResponse(epochSeconds: 77, content: contents[0]).bytes == [0, 128, 0, 0, 0, 0, 0, 77, 203, 0, 113, 5])
    }

    @Test func `a message cut at any length is refused`() {
        let content = PCPResponse.Content.map(
            nonce: nonce, internalPort: 1, external: Endpoint(.v4(IPv4Address(1, 2, 3, 4)), port: 1))
        let pcp = PCPResponse(result: .success, lifetimeSeconds: 1, epochSeconds: 1, content: content).bytes
        for length in pcp.indices {
            let cut = Array(pcp[..<length])
            #expect(throws: WireError.self) { try PCPResponse(parsing: cut.span) }
        }
        let natPMP = NATPMPResponse(
            epochSeconds: 1, content: .mapUDP(internalPort: 1, externalPort: 1, lifetimeSeconds: 1)
        ).bytes
        for length in natPMP.indices {
            let cut = Array(natPMP[..<length])
            #expect(throws: WireError.self) { try NATPMPResponse(parsing: cut.span) }
        }
    }

    @Test func `an epoch that falls behind or runs ahead tells of a restart`() {
        var epoch = GatewayEpoch()
        let start = Instant.zero + .seconds(5000)
        var results = [
            epoch.isContinued(by: 100, at: start), epoch.isContinued(by: 160, at: start + .seconds(60)),
            epoch.isContinued(by: 159, at: start + .seconds(60)),
            epoch.isContinued(by: 1100, at: start + .seconds(1060)),
        ]
        #expect(results == [true, true, true, true])
        results = [
            epoch.isContinued(by: 3, at: start + .seconds(1061)), epoch.isContinued(by: 4, at: start + .seconds(1062)),
            epoch.isContinued(by: 900, at: start + .seconds(1063)),
            epoch.isContinued(by: 901, at: start + .seconds(2000)),
        ]
        #expect(results == [false, true, false, false])
    }
}
