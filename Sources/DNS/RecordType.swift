/// The type of a record or of a question (RFC 1035 §3.2.2, IANA's list).
package struct RecordType: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt16

    package init(rawValue: UInt16) {
        self.rawValue = rawValue
    }

    package static let a = RecordType(rawValue: 1)
    package static let ns = RecordType(rawValue: 2)
    package static let cname = RecordType(rawValue: 5)
    package static let soa = RecordType(rawValue: 6)
    package static let ptr = RecordType(rawValue: 12)
    package static let hinfo = RecordType(rawValue: 13)
    package static let mx = RecordType(rawValue: 15)
    package static let txt = RecordType(rawValue: 16)
    package static let aaaa = RecordType(rawValue: 28)
    package static let srv = RecordType(rawValue: 33)
    package static let naptr = RecordType(rawValue: 35)
    package static let dname = RecordType(rawValue: 39)
    package static let opt = RecordType(rawValue: 41)
    package static let rrsig = RecordType(rawValue: 46)
    package static let https = RecordType(rawValue: 65)
    package static let axfr = RecordType(rawValue: 252)
    package static let any = RecordType(rawValue: 255)

    /// Questions about a transaction or a transfer, never about data (RFC 6895 §3.1), except ANY.
    package var isMeta: Bool { (128...254).contains(rawValue) || self == .opt }

    private static let names: [(RecordType, String)] = [
        (.a, "A"), (.ns, "NS"), (.cname, "CNAME"), (.soa, "SOA"), (.ptr, "PTR"), (.hinfo, "HINFO"), (.mx, "MX"),
        (.txt, "TXT"), (.aaaa, "AAAA"), (.srv, "SRV"), (.naptr, "NAPTR"), (.dname, "DNAME"), (.opt, "OPT"),
        (.rrsig, "RRSIG"), (.https, "HTTPS"), (.axfr, "AXFR"), (.any, "ANY"),
    ]
}

extension RecordType: LosslessStringConvertible {
    /// Parses "AAAA" in any case, and "TYPE28" (RFC 3597 §5).
    package init?(_ text: String) {
        let upper = text.uppercased()
        if let known = Self.names.first(where: { $0.1 == upper }) {
            self = known.0
        } else if upper.hasPrefix("TYPE"), let number = UInt16(upper.dropFirst(4)) {
            self.init(rawValue: number)
        } else {
            return nil
        }
    }

    package var description: String { Self.names.first { $0.0 == self }?.1 ?? "TYPE\(rawValue)" }
}

/// The outcome of a query, of four bits in the header and eight more in OPT (RFC 6895 §2.3).
package struct ResponseCode: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    package let rawValue: UInt16

    package init(rawValue: UInt16) {
        self.rawValue = rawValue
    }

    package static let noError = ResponseCode(rawValue: 0)
    package static let formatError = ResponseCode(rawValue: 1)
    package static let serverFailure = ResponseCode(rawValue: 2)
    package static let nameError = ResponseCode(rawValue: 3)
    package static let notImplemented = ResponseCode(rawValue: 4)
    package static let refused = ResponseCode(rawValue: 5)
    package static let badVersion = ResponseCode(rawValue: 16)

    private static let names = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"]

    package var description: String {
        switch Int(rawValue) {
        case Self.names.indices: Self.names[Int(rawValue)]
        case 16: "BADVERS"
        default: "RCODE\(rawValue)"
        }
    }
}

/// The second and third byte of a message's header (RFC 1035 §4.1.1, RFC 4035 §3).
package struct MessageFlags: RawRepresentable, Hashable, Sendable {
    package var rawValue: UInt16

    package init(rawValue: UInt16) {
        self.rawValue = rawValue
    }

    package static let response: UInt16 = 0x8000
    package static let authoritative: UInt16 = 0x0400
    package static let truncated: UInt16 = 0x0200
    package static let recursionDesired: UInt16 = 0x0100
    package static let recursionAvailable: UInt16 = 0x0080
    package static let authenticData: UInt16 = 0x0020
    package static let checkingDisabled: UInt16 = 0x0010

    package var isResponse: Bool { rawValue & Self.response != 0 }
    package var isAuthoritative: Bool { rawValue & Self.authoritative != 0 }
    package var isTruncated: Bool { rawValue & Self.truncated != 0 }
    package var wantsRecursion: Bool { rawValue & Self.recursionDesired != 0 }
    package var offersRecursion: Bool { rawValue & Self.recursionAvailable != 0 }
    package var disablesChecking: Bool { rawValue & Self.checkingDisabled != 0 }
    /// 0 is a query.
    package var opcode: UInt8 { UInt8(rawValue >> 11 & 15) }
    /// The four bits that the header has of it.
    package var responseCode: ResponseCode { ResponseCode(rawValue: rawValue & 15) }
}
