import Wire

/// Settles which service has which cluster address of one family, the same way wherever the same bids are known.
///
/// Each service has a list of addresses it would take: the one its definition names, the one it has had so far, then
/// draws by the hash of its name. Each address ranks those who want it: named in the definition before held before
/// drawn, then the earlier claim, then the lower name. A service gets the first address on its list where it ranks before
/// all others that would take it (deferred acceptance; Gale and Shapley 1962).
///
/// A service's standing only falls along its list, so there is exactly one stable outcome, whatever the order in which
/// bids come and go. And a service that has an address keeps it when another comes or goes, unless somebody's definition
/// names it or, where two parts of a mesh gave it away apart, an earlier claim has it too.
struct AddressContest: Sendable {
    struct Bid: Equatable, Sendable {
        /// Seconds since 1970.
        var since: UInt64 = 0
        /// The address that the definition names.
        var fixed: IPAddress?
        var held: IPAddress?
        /// Whether the service may have another address where it loses those two.
        var draws = true
    }

    private struct Bidder: Sendable {
        var bid: Bid
        var holds: IPAddress?
        /// The addresses of its list, from the first on, that others have.
        var refusals: [IPAddress] = []
    }

    /// Where draws come from; `nil` when addresses are given by definitions alone.
    let range: IPPrefix?
    private var bidders: [ServiceName: Bidder] = [:]
    private(set) var holders: [IPAddress: ServiceName] = [:]
    /// Who would take an address that somebody else has.
    private var waiting: [IPAddress: Set<ServiceName>] = [:]

    init(range: IPPrefix?) {
        self.range = range
    }

    func address(of name: ServiceName) -> IPAddress? { bidders[name]?.holds }

    func bid(of name: ServiceName) -> Bid? { bidders[name]?.bid }

    /// Places, replaces or (`nil`) withdraws a bid. Returns the services whose address is another one now, with the one
    /// that they had.
    mutating func place(_ bid: Bid?, for name: ServiceName) -> [ServiceName: IPAddress?] {
        guard bidders[name]?.bid != bid, !holdsAlready(bid, name) else { return [:] }
        var before: [ServiceName: IPAddress?] = [name: bidders[name]?.holds]
        withdraw(name, &before)
        if let bid {
            bidders[name] = Bidder(bid: bid)
            seat([name], &before)
        }
        return before.filter { bidders[$0.key]?.holds != $0.value }
    }

    /// A bid that differs from the last only in naming, as held, the address that the service has: its standing there gets
    /// better, and it waits for nothing but what its definition names.
    private mutating func holdsAlready(_ bid: Bid?, _ name: ServiceName) -> Bool {
        guard let bid, let bidder = bidders[name], let address = bidder.holds, address == bid.held else { return false }
        var same = bidder.bid
        same.held = bid.held
        guard same == bid else { return false }
        let refusals = bidder.refusals.prefix { $0 == bid.fixed }
        stopWaiting(name, for: bidder.refusals[refusals.endIndex...], except: refusals)
        bidders[name]?.bid = bid
        bidders[name]?.refusals = Array(refusals)
        return true
    }

    /// Gives each of `unseated` the best address it can get; whoever is displaced goes on along its list.
    private mutating func seat(_ unseated: [ServiceName], _ before: inout [ServiceName: IPAddress?]) {
        var unseated = unseated
        while let name = unseated.popLast() {
            guard var bidder = bidders[name] else { continue }
            while let address = candidate(bidder.refusals.count, name, bidder.bid) {
                if let holder = holders[address], holder != name {
                    guard ranks(name, bidder.bid, beforeHolderOf: address, holder) else {
                        bidder.refusals.append(address)
                        waiting[address, default: []].insert(name)
                        continue
                    }
                    if before[holder] == nil { before[holder] = .some(address) }
                    bidders[holder]?.holds = nil
                    bidders[holder]?.refusals.append(address)
                    waiting[address, default: []].insert(holder)
                    unseated.append(holder)
                }
                waiting[address]?.remove(name)
                holders[address] = name
                bidder.holds = address
                break
            }
            bidders[name] = bidder
        }
    }

    private mutating func withdraw(_ name: ServiceName, _ before: inout [ServiceName: IPAddress?]) {
        guard let bidder = bidders.removeValue(forKey: name) else { return }
        stopWaiting(name, for: bidder.refusals[...], except: [])
        guard let address = bidder.holds else { return }
        holders[address] = nil
        fill([address], &before)
    }

    /// Gives each vacant address to the best of those who wait for it, and then the address which that one had.
    private mutating func fill(_ vacant: [IPAddress], _ before: inout [ServiceName: IPAddress?]) {
        var vacant = vacant
        while let address = vacant.popLast() {
            let best = waiting[address, default: []].min { left, right in
                guard let bid = bidders[left]?.bid else { return false }
                return ranks(left, bid, beforeHolderOf: address, right)
            }
            guard let best, var bidder = bidders[best], let position = bidder.refusals.firstIndex(of: address) else {
                continue
            }
            if before[best] == nil { before[best] = .some(bidder.holds) }
            if let old = bidder.holds {
                holders[old] = nil
                vacant.append(old)
            }
            stopWaiting(best, for: bidder.refusals[position...], except: bidder.refusals[..<position])
            bidder.refusals.removeSubrange(position...)
            bidder.holds = address
            holders[address] = best
            bidders[best] = bidder
        }
    }

    /// - Parameter kept: addresses that it goes on waiting for; a list may hold an address twice.
    private mutating func stopWaiting(
        _ name: ServiceName, for addresses: ArraySlice<IPAddress>, except kept: ArraySlice<IPAddress>
    ) {
        for address in addresses where !kept.contains(address) {
            waiting[address]?.remove(name)
            if waiting[address]?.isEmpty == true { waiting[address] = nil }
        }
    }

    private func ranks(
        _ name: ServiceName, _ bid: Bid, beforeHolderOf address: IPAddress, _ holder: ServiceName
    ) -> Bool {
        guard let other = bidders[holder]?.bid else { return true }
        return (standing(of: bid, at: address), bid.since, name) < (
            standing(of: other, at: address), other.since, holder
        )
    }

    private func standing(of bid: Bid, at address: IPAddress) -> Int {
        address == bid.fixed ? 0 : address == bid.held ? 1 : 2
    }

    /// The address at a place of a service's list, counted from zero; `nil` behind its end.
    private func candidate(_ position: Int, _ name: ServiceName, _ bid: Bid) -> IPAddress? {
        var position = position
        for address in [bid.fixed, bid.held] {
            guard let address else { continue }
            if position == 0 { return address }
            position -= 1
        }
        return bid.draws ? range.flatMap { AddressDraws(range: $0).address(position, for: name) } : nil
    }
}

/// The addresses of a service range in the order in which a service would take them.
///
/// The first of a range (16 to 256, a sixteenth of it) are left to those who name addresses, as in Kubernetes (KEP-3070).
struct AddressDraws: Sendable {
    /// So many draws are spread over the range; those behind them stand in a row after the last.
    static let spreadCount = 64
    static let rowLimit: UInt64 = 1 << 16

    let range: IPPrefix

    func address(_ position: Int, for name: ServiceName) -> IPAddress? {
        let hostBits = range.address.bitCount - range.length
        let size: UInt64 = hostBits >= 63 ? 1 << 63 : 1 << UInt64(hostBits)
        guard size >= 8 else { return nil }
        let first = size >= 64 ? min(max(16, size / 16), 256) : 1
        let usable = size - first - 1
        let spread = UInt64(min(position, Self.spreadCount - 1))
        let beyond = UInt64(position) - spread
        guard beyond < min(usable, Self.rowLimit) else { return nil }
        return range.address(at: first + (Self.hash(name, spread) % usable + beyond) % usable)
    }

    /// FNV-1a over the name, then SplitMix64: the same everywhere and for ever, since nodes agree on addresses by it.
    private static func hash(_ name: ServiceName, _ attempt: UInt64) -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in name.description.utf8 {
            hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3
        }
        var mixed = hash &+ (attempt + 1) &* 0x9e37_79b9_7f4a_7c15
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
