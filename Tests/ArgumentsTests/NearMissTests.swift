import Testing

@testable import Arguments

@Suite struct NearMissTests {
    @Test(arguments: [
        ("", "", 0), ("abc", "abc", 0), ("abc", "acb", 1), ("status", "statsu", 1), ("peers", "peer", 1),
        ("kitten", "sitting", 3), ("", "abc", 3), ("ca", "abc", 3),
    ])
    func `distance counts slips of the hand`(_ left: String, _ right: String, _ distance: Int) {
        #expect(NearMiss.distance(Array(left), Array(right)) == distance)
        #expect(NearMiss.distance(Array(right), Array(left)) == distance)
    }

    @Test(arguments: [
        ("stauts", "status"), ("statu", "status"), ("PEERS", "peers"), ("wire", "wireguard"), ("dwon", "down"),
        ("conut", nil), ("x", nil), ("", nil), ("delete", nil),
    ])
    func `only near words are suggested`(_ word: String, _ suggestion: String?) {
        let candidates = ["up", "down", "status", "peers", "ping", "invite", "wireguard"]
        #expect(NearMiss.suggestion(for: word, among: candidates) == suggestion)
    }
}
