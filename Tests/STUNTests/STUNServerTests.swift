import SansIO
import Testing
import Wire

@testable import STUN

@Suite struct STUNServerTests {
    private let now = Instant.zero + .seconds(10)
    private let asker = Endpoint("198.51.100.7:4242")!
    private let local = Endpoint("203.0.113.1:20007")!
    private let modern = STUNTransaction(high: 0x2112_a442_0000_0001, low: 2)
    private let classic = STUNTransaction(high: 1, low: 2)

    private func bare(_ transaction: STUNTransaction) -> [UInt8] {
        var writer = ByteWriter()
        writer.append([0, 1, 0, 0])
        writer.append(bigEndian: transaction.high)
        writer.append(bigEndian: transaction.low)
        return writer.bytes
    }

    private func refusal(_ server: inout STUNServer, _ bytes: [UInt8], served: Bool = true) -> STUNServer.Refusal? {
        do throws(STUNServer.Refusal) {
            _ = try server.answer(bytes, from: asker, to: local, isServed: served, at: now)
            return nil
        } catch {
            return error
        }
    }

    @Test func `a request is answered with its source`() throws {
        var server = STUNServer(at: now)
        let request = STUNMessage(.request, modern, [.software("test client of some kind")])
        let answer = try STUNMessage(
            parsing: try server.answer(request.encoded, from: asker, to: local, isServed: true, at: now))
        #expect(answer.kind == .success && answer.transaction == modern)
        #expect(
            answer.attributes.prefix(3) == [.xorMappedAddress(asker), .responseOrigin(local), .software("KubeMesh")])
    }

    @Test func `an old client gets what RFC 3489 knows`() throws {
        var server = STUNServer(at: now)
        let request = STUNMessage(.request, classic, [.changeRequest([])])
        let answer = try STUNMessage(
            parsing: try server.answer(request.encoded, from: asker, to: local, isServed: true, at: now))
        #expect(answer.attributes == [.mappedAddress(asker), .sourceAddress(local), .changedAddress(local)])
        let fromElsewhere = STUNMessage(.request, classic, [.changeRequest(.port)])
        #expect(refusal(&server, fromElsewhere.encoded) == .otherSourceWanted)
    }

    @Test func `what cannot be done is refused by name`() throws {
        var server = STUNServer(at: now)
        let request = STUNMessage(
            .request, modern, [.changeRequest(.address), .unknown(type: 0x27, value: [0, 1, 0, 0]), .software("x")])
        let answer = try STUNMessage(
            parsing: try server.answer(request.encoded, from: asker, to: local, isServed: true, at: now))
        #expect(answer.kind == .error)
        #expect(answer.attributes.contains(.unknownAttributes([0x27, 3])))
    }

    @Test func `no answer is longer than three times its request, whatever is asked`() throws {
        var random = SeededRandom(seed: 3)
        let sources = [asker, Endpoint("[2001:db8::7]:4242")!]
        let parts: [STUNAttribute] = [
            .changeRequest([]), .changeRequest(.port), .padding(8), .padding(1200), .software(""), .software("name"),
            .unknown(type: 0x27, value: []), .unknown(type: 1, value: []), .unknown(type: 0xffff, value: [1]),
            .mappedAddress(local),
        ]
        var answered = 0
        for step in 0..<4000 {
            var server = STUNServer(at: now)
            let chosen = (0..<Int.random(in: 0...3, using: &random)).compactMap { _ in
                parts.randomElement(using: &random)
            }
            let transaction = step % 2 == 0 ? modern : classic
            let request = chosen.isEmpty ? bare(transaction) : STUNMessage(.request, transaction, chosen).encoded
            let source = sources[step / 2 % 2]
            guard let answer = try? server.answer(request, from: source, to: local, isServed: true, at: now) else {
                continue
            }
            answered += 1
            #expect(answer.count <= 3 * request.count)
            #expect((try? STUNMessage(parsing: answer)) != nil)
        }
        #expect(answered > 1000)
        var server = STUNServer(at: now)
        let padded = STUNMessage(.request, modern, [.padding(1000)]).encoded
        let answer = try server.answer(padded, from: asker, to: local, isServed: true, at: now)
        #expect(answer.count <= padded.count, "padding never makes an answer longer than the request")
    }

    @Test func `the shortest request there is gets an answer`() throws {
        var server = STUNServer(at: now)
        for transaction in [modern, classic] {
            for source in [asker, Endpoint("[2001:db8::7]:4242")!] {
                let answer = try STUNMessage(
                    parsing: try server.answer(bare(transaction), from: source, to: local, isServed: true, at: now))
                #expect(answer.mappedEndpoint == source)
            }
        }
    }

    @Test func `answers, reflections and noise are not answered`() {
        var server = STUNServer(at: now)
        for kind in [STUNMessage.Kind.success, .error, .indication] {
            #expect(refusal(&server, STUNMessage(kind, modern, [.xorMappedAddress(asker)]).encoded) == .notARequest)
        }
        #expect(refusal(&server, [0, 1, 0, 4] + [UInt8](repeating: 0, count: 17)) == .malformed)
        #expect(refusal(&server, bare(modern), served: false) == .notServed)
    }

    @Test func `a source that asks too much waits, and others are served meanwhile`() throws {
        var server = STUNServer(at: now)
        let answers = (0..<1000).count { _ in refusal(&server, bare(modern)) == nil }
        #expect(answers == STUNServer.sourceBurst)
        #expect(refusal(&server, bare(modern)) == .overSourceLimit)
        let other = Endpoint("198.51.100.8:1")!
        _ = try server.answer(bare(modern), from: other, to: local, isServed: true, at: now)
        _ = try server.answer(bare(modern), from: asker, to: local, isServed: true, at: now + .seconds(1))
    }

    @Test func `a flood from everywhere ends at the total limit and in bounded memory`() {
        var server = STUNServer(at: now)
        var answered = 0
        for index in 0..<50_000 as Range<UInt32> {
            let source = Endpoint(.v4(IPv4Address(rawValue: 0x0b00_0000 + index)), port: 1)
            if (try? server.answer(bare(modern), from: source, to: nil, isServed: true, at: now)) != nil {
                answered += 1
            }
        }
        #expect(answered == STUNServer.totalBurst)
        var buckets = SourceBuckets(rate: 1, burst: 1, limit: 10)
        for index in 0..<100 as Range<UInt32> {
            _ = buckets.take(from: .v4(IPv4Address(rawValue: 0x0b00_0000 + index)), at: now)
        }
        #expect(buckets.count <= 20)
    }

    @Test func `addresses of one IPv6 network share a limit`() {
        var server = STUNServer(at: now)
        let answers = (0..<1000).count { index in
            let source = Endpoint(.v6(IPv6Address(high: 0x2001_0db8_0000_0007, low: UInt64(index))), port: 1)
            return (try? server.answer(bare(modern), from: source, to: nil, isServed: true, at: now)) != nil
        }
        #expect(answers == STUNServer.sourceBurst)
    }
}
