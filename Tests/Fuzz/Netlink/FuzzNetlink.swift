// Gives bytes to what reads the kernel's answers and notices: links, addresses, routes, neighbours, the packet filter's chains,
// rules and elements, tracked connections.

import CNetfilter
import Fuzzing
import Netlink

@testable import Netfilter

@main
enum FuzzNetlink {
    static func main() { Fuzzing.main(run) }

    static func run(_ bytes: [UInt8]) {
        let messages = NetlinkMessage.split(bytes)
        precondition(messages.reduce(0) { $0 + $1.bytes.count } <= bytes.count)
        for message in messages {
            if let event = RouteEvent(parsing: message) {
                if case .addressAdded(let address) = event { precondition(address.prefix != nil) }
            }
            _ = Neighbour(parsing: message)
            _ = RuleChanges(parsing: message)
            _ = TrackedConnection(parsing: message)
            _ = ListedChain(parsing: message)
            _ = ListedRule(parsing: message)
            var lists = message.cursor(after: nfgenmsg.self)
            while let list = lists.next() {
                precondition(list.count <= message.bytes.count)
                var elements = list.nested
                while let element = elements.next() { _ = ListedElement(parsing: element.nested) }
            }
        }
    }
}
