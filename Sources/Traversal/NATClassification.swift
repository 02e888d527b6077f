import Wire

/// Conclusions from what observers saw; pure functions of the evidence.
enum NATClassification {
    /// A block is told from chance when so many ports at random would hardly ever lie so close.
    static let blockSpanLimit = 4096
    static let sampleMinimum = 4
    /// Others behind the NAT take ports too: so far apart may two of ours be that follow each other.
    private static let strideLimit = 32

    typealias Sample = NATFamilyReport.Sample

    /// From what several observers saw of one socket.
    static func mapping(of samples: [Sample], local: [IPAddress]) -> Finding<MappingBehavior> {
        guard let first = samples.first else { return .unknown(.noAnswer) }
        let isTranslated = samples.contains { !local.contains($0.mapped.address) || $0.mapped.port != $0.localPort }
        guard isTranslated else { return .known(.none) }
        let ports = differs(samples) { $0.address == $1.address && $0.port != $1.port }
        let addresses = differs(samples) { $0.address != $1.address }
        switch (addresses, ports) {
        case (true?, true?): return .known(.addressAndPortDependent)
        case (true?, false?): return .known(.addressDependent)
        case (true?, nil): return .known(.endpointDependent)
        // Another mapping for another port of the same address: other addresses surely get their own too.
        case (_, true?): return .known(.addressAndPortDependent)
        case (false?, _): return .known(.endpointIndependent)
        case (nil, _):
            return samples.allSatisfy({ $0.mapped == first.mapped })
                ? .unknown(.oneObserver) : .known(.endpointDependent)
        }
    }

    /// Whether two observers that are related so saw different endpoints; `nil` when there are no such two.
    private static func differs(_ samples: [Sample], _ isPair: (Endpoint, Endpoint) -> Bool) -> Bool? {
        var result: Bool?
        for (index, one) in samples.enumerated() {
            for other in samples[(index + 1)...] where isPair(one.observer, other.observer) {
                result = result == true || one.mapped != other.mapped
            }
        }
        return result
    }

    /// From what one observer saw of several sockets, in the order in which they sent.
    static func ports(of samples: [Sample]) -> Finding<NATPorts> {
        guard samples.count >= sampleMinimum else { return .unknown(.tooFewSamples) }
        let ports = samples.map { Int($0.mapped.port) }
        let lowest = ports.min() ?? 0
        let highest = ports.max() ?? 0
        return .known(
            NATPorts(
                pattern: pattern(samples, ports, span: highest - lowest + 1), lowest: UInt16(lowest),
                highest: UInt16(highest), sampleCount: samples.count,
                usesSeveralAddresses: Set(samples.map(\.mapped.address)).count > 1))
    }

    private static func pattern(_ samples: [Sample], _ ports: [Int], span: Int) -> NATPorts.Pattern {
        // Now and then an inside port is taken, and that socket gets another.
        let kept = samples.count { $0.mapped.port == $0.localPort }
        if kept > 0, kept * 2 >= samples.count { return .preserved }
        let steps = zip(ports.dropFirst(), ports).map { $0 - $1 }
        let smallest = steps.map(abs).min() ?? 0
        let isRow = steps.allSatisfy { $0 > 0 } || steps.allSatisfy { $0 < 0 }
        if isRow, smallest > 0, steps.allSatisfy({ abs($0) <= strideLimit }) {
            return .sequential(stride: steps[0] < 0 ? -smallest : smallest)
        }
        guard span <= blockSpanLimit else { return .random }
        // The span of n numbers drawn from a block is (n - 1) / (n + 1) of it on average.
        return .block(sizeEstimate: span * (samples.count + 1) / (samples.count - 1))
    }

    /// - Parameters:
    ///   - fromOtherPort: whether a datagram from another port of an address that the socket sent to came in; `nil`: not tried.
    ///   - fromOtherAddress: the same of an address that it never sent to.
    static func filtering(fromOtherPort: Bool?, fromOtherAddress: Bool?) -> Finding<FilteringBehavior> {
        switch (fromOtherPort, fromOtherAddress) {
        case (_, true?): .known(.endpointIndependent)
        case (true?, false?): .known(.addressDependent)
        case (false?, _): .known(.addressAndPortDependent)
        case (true?, nil): .known(.notPortDependent)
        case (nil, false?): .known(.endpointDependent)
        case (nil, nil): .unknown(.noHelper)
        }
    }

    /// - Parameter gateways: outside addresses that gateways told.
    static func layers(local: [IPAddress], outside: [IPAddress], gateways: [IPAddress]) -> [NATLayer] {
        var layers = local.filter(isCarriers).map { NATLayer.carrierAddress($0) }
        layers += outside.filter { $0.isPrivate && !local.contains($0) }.map { .privateOutside($0) }
        guard let seen = outside.first, seen.isIPv4 else { return layers }
        layers += gateways.filter { $0.isIPv4 && !outside.contains($0) }.map {
            .gatewayDiffers(gateway: $0, seen: seen)
        }
        return layers
    }

    private static func isCarriers(_ address: IPAddress) -> Bool {
        if case .v4(let address) = address { address.rawValue >> 22 == 0x6440 >> 6 } else { false }
    }
}
