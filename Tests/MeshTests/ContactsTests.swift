import SansIO
import Testing
import Wire

@testable import Mesh

@Suite struct ContactsTests {
    private func address(_ number: Int) -> IPAddress { .v4(IPv4Address(rawValue: UInt32(0x0a00_0000 + number))) }

    @Test func `an address is remembered until no NAT can remember it`() {
        var contacts = Contacts()
        contacts.note(address(1), at: .zero)
        #expect(contacts.mayInclude(address(1), at: .zero + .seconds(600)))
        #expect(!contacts.mayInclude(address(1), at: .zero + .seconds(601)))
        #expect(!contacts.mayInclude(address(2), at: .zero))
    }

    @Test func `of too many none is taken for a stranger, and those that are known are kept fresh`() {
        var contacts = Contacts()
        for number in 0..<10_000 { contacts.note(address(number), at: .zero) }
        #expect(contacts.count == Contacts.limit)
        #expect(contacts.mayInclude(address(9_999), at: .zero))
        contacts.note(address(7), at: .zero + .seconds(500))
        contacts.note(address(20_000), at: .zero + .seconds(700))
        #expect(contacts.mayInclude(address(7), at: .zero + .seconds(700)))
        #expect(contacts.count == 2)
    }
}
