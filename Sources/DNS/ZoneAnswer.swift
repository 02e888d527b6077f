import Wire

/// What the zones of this host say to a question.
enum ZoneAnswer {
    case found(PreparedAnswer)
    /// The name stands for another, which has to be asked for.
    case alias(DomainName)
    /// The name is there, but has no such records; with the SOA record.
    case noData(PreparedAnswer)
    case noName(PreparedAnswer)
    /// Not a name of ours.
    case elsewhere
}

extension ZoneIndex {
    /// Answers a question of class IN.
    func answer(_ name: QueryName, _ type: RecordType) -> ZoneAnswer {
        if let entry = entry(name.wire, hash: name.hash) {
            if let answer = entry.answer(of: type) { return .found(answer) }
            return answer(name.wire, type, without: entry)
        }
        if let (zone, start) = zone(of: name.wire) {
            return madeFromAddress(name, type, zone: zone, zoneStart: start)
                ?? .noName(denial(zone.authority, ownerAt: start))
        }
        if let reverse = ReverseName(lowercased: name.wire) { return answer(reverse, name, type) }
        return .elsewhere
    }

    /// The name is there, the type is not among its sets.
    private func answer(_ wire: [UInt8], _ type: RecordType, without entry: NameEntry) -> ZoneAnswer {
        guard let (zone, start) = zone(of: wire) else { return .elsewhere }
        if start == 0, type == .soa { return .found(authorityAnswer(zone.authority)) }
        if let alias = entry.alias { return type == .any ? .found(minimalAnswer) : .alias(alias) }
        if type == .any, start == 0 || entry.hasRecords { return .found(minimalAnswer) }
        return .noData(denial(zone.authority, ownerAt: start))
    }

    // MARK: names made from addresses and from the names of services

    /// `nil` when there is no such name.
    private func madeFromAddress(
        _ name: QueryName, _ type: RecordType, zone: Zone, zoneStart: Int
    ) -> ZoneAnswer? {
        let starts = name.labelStarts
        let depth = starts.prefix { $0 < zoneStart }.count
        guard depth > 1 else { return nil }
        func label(_ index: Int) -> ArraySlice<UInt8> {
            name.wire[(starts[index] + 1)...].prefix(Int(name.wire[starts[index]]))
        }
        func parent(_ index: Int) -> ServiceOwner? { entry(Array(name.wire[starts[index]...]))?.service }
        let noData = ZoneAnswer.noData(denial(zone.authority, ownerAt: zoneStart))

        if label(depth - 1).elementsEqual("pod".utf8), zone.name == rules.clusterDomain.lowercased {
            guard rules.podNames != .disabled else { return nil }
            if depth == 2 { return noData }
            guard depth == 3, let address = DashedAddress.address(of: label(0)) else { return nil }
            if rules.podNames == .verified {
                let namespace = String(decoding: label(1), as: UTF8.self)
                guard addresses.claims(of: address).contains(where: { $0.isEndpoint(in: namespace) }) else {
                    return nil
                }
            }
            return answer(addresses: [address], type) ?? noData
        }
        if let service = parent(1) {
            let first = Array(label(0))
            if service.hasPorts(below: first) || (service.isZonal && first.elementsEqual("_zone".utf8)) {
                return noData
            }
            guard let address = DashedAddress.address(of: first[...]),
                addresses.claims(of: address).contains(where: { $0.isUnnamedEndpoint(of: service) })
            else { return nil }
            return answer(addresses: [address], type) ?? noData
        }
        // <zone>.pin._zone.<service>, <zone>.prefer._zone.<service>: the first are entries, the second end in the service's own.
        if depth > 3, label(1).elementsEqual("_zone".utf8), parent(2)?.isZonal == true {
            return label(0).elementsEqual("pin".utf8) || label(0).elementsEqual("prefer".utf8) ? noData : nil
        }
        if depth > 4, label(1).elementsEqual("prefer".utf8), label(2).elementsEqual("_zone".utf8),
            parent(3)?.isZonal == true, let all = entry(Array(name.wire[starts[3]...]))
        {
            return all.answer(of: type).map { .found($0) } ?? noData
        }
        return nil
    }

    private func answer(addresses: [IPAddress], _ type: RecordType) -> ZoneAnswer? {
        let wanted = addresses.filter { type == ($0.isIPv4 ? .a : .aaaa) }
        if type == .any { return .found(minimalAnswer) }
        return wanted.isEmpty ? nil : .found(PreparedAnswer(addresses: wanted, ttl: rules.ttl))
    }

    // MARK: reverse names

    private func answer(_ reverse: ReverseName, _ name: QueryName, _ type: RecordType) -> ZoneAnswer {
        switch reverse {
        case .address(let address):
            let claims = addresses.claims(of: address)
            let clusterIPs = claims.filter { if case .clusterIP = $0.holder { true } else { false } }
            let names = Set((clusterIPs.isEmpty ? claims : clusterIPs).compactMap(\.name))
            let prefix = rules.reversePrefixes.first { $0.contains(address) }
            guard !names.isEmpty else {
                return prefix.map { .noName(reverseDenial(name, within: $0, of: address)) } ?? .elsewhere
            }
            let owner = name.name
            if type == .ptr {
                let sorted = names.sorted { $0.wire.lexicographicallyPrecedes($1.wire) }
                let records = sorted.map { ResourceRecord(owner, .ptr, ttl: rules.ttl, .name($0)) }
                return .found(PreparedAnswer(to: owner, answers: records))
            }
            if type == .any { return .found(minimalAnswer) }
            return .noData(reverseDenial(name, within: prefix ?? IPPrefix(address), of: address))
        case .block(let block):
            // Whether anything lies below is not worth a search: to say "nothing here, perhaps below" is never wrong.
            guard let prefix = rules.reversePrefixes.first(where: { $0.contains(block) }),
                block.length >= Self.cut(of: prefix)
            else { return .elsewhere }
            if type == .soa, block.length == Self.cut(of: prefix) { return .found(authorityAnswer(reverseAuthority)) }
            return .noData(reverseDenial(name, within: prefix, of: block.address))
        }
    }

    /// The length of the reverse zones that make up a block: whole labels.
    private static func cut(of prefix: IPPrefix) -> Int {
        let step = prefix.isIPv4 ? 8 : 4
        return max(step, (prefix.length + step - 1) / step * step)
    }

    private func reverseDenial(_ name: QueryName, within prefix: IPPrefix, of address: IPAddress) -> PreparedAnswer {
        let kept = Self.cut(of: prefix) / (address.isIPv4 ? 8 : 4)
        // The labels of the zone, `arpa`, its neighbour and the root end the name.
        let starts = name.labelStarts
        return denial(reverseAuthority, ownerAt: starts[max(0, starts.count - 3 - kept)])
    }

    // MARK: common answers

    /// The SOA record of the zone whose name begins at `ownerAt` in the question's, as authority of nothing (RFC 2308 §2).
    private func denial(_ authority: [UInt8], ownerAt start: Int) -> PreparedAnswer {
        var answer = PreparedAnswer.empty
        answer.bytes.reserveCapacity(authority.count + 2)
        answer.bytes.append(bigEndian: 0xc000 | UInt16(Message.headerBytes + start))
        answer.bytes.append(contentsOf: authority)
        answer.authorityCount = 1
        answer.authorityEnd = answer.bytes.count
        return answer
    }

    private func authorityAnswer(_ authority: [UInt8]) -> PreparedAnswer {
        var answer = denial(authority, ownerAt: 0)
        answer.answerCount = 1
        answer.authorityCount = 0
        answer.answerEnd = answer.bytes.count
        return answer
    }

    /// To ANY: one small record (RFC 8482 §4.2).
    private var minimalAnswer: PreparedAnswer {
        let text = Array("RFC8482".utf8)
        let data = RecordData.opaque([UInt8(text.count)] + text + [0])
        return PreparedAnswer(to: .root, answers: [ResourceRecord(.root, .hinfo, ttl: rules.ttl, data)]).ownedByQuestion
    }
}

extension PreparedAnswer {
    /// With its only record, which was made for the root, owned by whatever name is asked for.
    fileprivate var ownedByQuestion: PreparedAnswer {
        var answer = self
        answer.bytes.replaceSubrange(0..<1, with: [0xc0, 0x0c])
        answer.answerEnd += 1
        answer.authorityEnd += 1
        return answer
    }
}

extension NamedAddress {
    fileprivate func isEndpoint(in namespace: String) -> Bool { endpointOwner?.namespace == namespace }

    fileprivate func isUnnamedEndpoint(of service: ServiceOwner) -> Bool {
        if case .endpoint(let owner) = holder { owner === service } else { false }
    }
}
