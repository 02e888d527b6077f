import Testing
import Wire

@testable import Traversal

@Suite struct NATClassificationTests {
    private func samples(_ ports: [UInt16], inside: UInt16? = nil) -> [NATFamilyReport.Sample] {
        ports.enumerated().map { index, port in
            NATFamilyReport.Sample(
                socket: index, localPort: inside ?? UInt16(40_000 + index), observer: Endpoint("203.0.113.1:3478")!,
                mapped: Endpoint(IPAddress("198.51.100.7")!, port: port), roundTripTime: .milliseconds(20))
        }
    }

    @Test func `ports in a row have a stride, also downwards and with gaps`() {
        #expect(NATClassification.ports(of: samples([10, 11, 12, 13, 14])).value?.pattern == .sequential(stride: 1))
        #expect(NATClassification.ports(of: samples([10, 12, 16, 18, 20])).value?.pattern == .sequential(stride: 2))
        #expect(NATClassification.ports(of: samples([20, 19, 17, 16, 15])).value?.pattern == .sequential(stride: -1))
    }

    @Test func `ports close together at random are a block, far apart they are not`() {
        guard
            case .block(let size)? = NATClassification.ports(of: samples([5000, 5200, 5010, 5400, 5100])).value?.pattern
        else {
            Issue.record("no block")
            return
        }
        #expect((401...1024).contains(size))
        #expect(NATClassification.ports(of: samples([5000, 60_000, 1025, 33_000, 9])).value?.pattern == .random)
        #expect(NATClassification.ports(of: samples([5000, 60_000])) == .unknown(.tooFewSamples))
    }

    @Test func `more than one NAT shows in a carrier's address, a private outside or a gateway that disagrees`() {
        let carrier = IPAddress("100.64.3.4")!
        let outside = IPAddress("198.51.100.7")!
        let home = IPAddress("192.168.1.2")!
        func layers(_ local: IPAddress, _ seen: IPAddress, _ gateways: [IPAddress] = []) -> [NATLayer] {
            NATClassification.layers(local: [local], outside: [seen], gateways: gateways)
        }
        #expect(layers(carrier, outside) == [.carrierAddress(carrier)])
        #expect(layers(home, carrier) == [.privateOutside(carrier)])
        #expect(layers(home, outside, [carrier]) == [.gatewayDiffers(gateway: carrier, seen: outside)])
        #expect(layers(home, outside, [outside]).isEmpty)
        #expect(layers(IPAddress("100.128.0.1")!, outside).isEmpty)
    }
}
