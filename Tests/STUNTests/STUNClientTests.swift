import SansIO
import Testing
import Wire

@testable import STUN

@Suite struct STUNClientTests {
    private let server = Endpoint("203.0.113.1:3478")!
    private let other = Endpoint("203.0.113.2:3479")!
    private let mapped = Endpoint("198.51.100.7:4242")!
    private let start = Instant.zero + .seconds(10)

    private func begin(_ question: STUNClient.Question) -> (STUNClient, [UInt8], STUNTransaction) {
        var random = SeededRandom(seed: 1)
        var client = STUNClient()
        guard
            case .send(let request, from: question.socket, to: question.server)? = client.ask(
                question, at: start, using: &random
            ).first, let message = try? STUNMessage(parsing: request)
        else {
            preconditionFailure("a first question is asked at once")
        }
        return (client, request, message.transaction)
    }

    private func answer(_ transaction: STUNTransaction, _ attributes: [STUNAttribute]) -> [UInt8] {
        STUNMessage(.success, transaction, attributes).encoded
    }

    @Test func `an answer gives the mapped endpoint, the other address and the round trip time`() throws {
        let question = STUNClient.Question(server, from: 3)
        var (client, request, transaction) = begin(question)
        let bytes = answer(transaction, [.xorMappedAddress(mapped), .otherAddress(other)])
        #expect(request.count == STUNClient.requestSize && bytes.count <= request.count)
        let actions = try client.receive(bytes, from: server, on: 3, at: start + .milliseconds(40))
        #expect(
            actions == [
                .done(question, .answered(.init(mapped: mapped, other: other, roundTripTime: .milliseconds(40))))
            ])
        #expect(client.nextDeadline == nil)
        #expect(throws: STUNClient.Drop.unknownTransaction) {
            try client.receive(bytes, from: server, on: 3, at: start + .milliseconds(41))
        }
    }

    @Test func `a request is repeated at growing intervals and then given up`() throws {
        let question = STUNClient.Question(server, from: 0)
        var (client, request, _) = begin(question)
        var times: [Duration] = []
        var last: [STUNClient.Action] = []
        while let deadline = client.nextDeadline {
            last = client.advance(to: deadline)
            times.append(deadline - start)
            if case .send(let again, _, _)? = last.first { #expect(again == request) }
        }
        #expect(times == [100, 300, 700, 1500, 3000].map { .milliseconds($0) })
        #expect(last == [.done(question, .unanswered)])
    }

    @Test func `an answer from elsewhere, on another socket or to nobody's question is no answer`() throws {
        let (client, request, transaction) = begin(STUNClient.Question(server, from: 0))
        let bytes = answer(transaction, [.xorMappedAddress(mapped)])
        func drop(_ bytes: [UInt8], _ source: Endpoint, _ socket: Int) -> STUNClient.Drop? {
            var client = client
            do throws(STUNClient.Drop) {
                _ = try client.receive(bytes, from: source, on: socket, at: start)
                return nil
            } catch {
                return error
            }
        }
        #expect(drop(bytes, other, 0) == .wrongSource)
        #expect(drop(bytes, Endpoint(server.address, port: 1), 0) == .wrongSource)
        #expect(drop(bytes, server, 1) == .wrongSource)
        #expect(drop(request, server, 0) == .notAnAnswer, "our own request, reflected")
        #expect(
            drop(answer(STUNTransaction(high: 1, low: 2), [.mappedAddress(mapped)]), server, 0) == .unknownTransaction)
        #expect(drop(answer(transaction, []), server, 0) == .malformed)
        #expect(drop(Array(bytes.dropLast(4)), server, 0) == .malformed)
        #expect(drop(answer(transaction, [.xorMappedAddress(Endpoint("[2001:db8::1]:1")!)]), server, 0) == .malformed)
        #expect(drop(bytes, server, 0) == nil)
    }

    @Test func `what a server refuses is told`() throws {
        let question = STUNClient.Question(server, from: 0, change: .port, answeredFrom: server)
        var (client, _, transaction) = begin(question)
        let refusal = STUNMessage(.error, transaction, [.errorCode(420, reason: "")]).encoded
        let actions = try client.receive(refusal, from: server, on: 0, at: start)
        #expect(actions == [.done(question, .refused(code: 420))])
    }

    @Test func `an answer that was asked for from another address comes from there`() throws {
        let question = STUNClient.Question(
            server, from: 0, change: [.address, .port], answeredFrom: other, patience: .short)
        var (client, request, transaction) = begin(question)
        #expect(try STUNMessage(parsing: request).changeRequest == [.address, .port])
        let bytes = answer(transaction, [.xorMappedAddress(mapped)])
        #expect(throws: STUNClient.Drop.wrongSource) { try client.receive(bytes, from: server, on: 0, at: start) }
        let actions = try client.receive(bytes, from: other, on: 0, at: start)
        #expect(actions.count == 1)
    }

    @Test func `questions are bounded, and one is not asked twice at a time`() {
        var random = SeededRandom(seed: 1)
        var client = STUNClient()
        for _ in 0..<2 {
            for port in 1...200 as ClosedRange<UInt16> {
                _ = client.ask(.init(Endpoint(server.address, port: port), from: 0), at: start, using: &random)
            }
        }
        #expect(client.count == STUNClient.limit)
    }

    @Test func `our own server answers our own client`() throws {
        let question = STUNClient.Question(server, from: 0)
        var (client, request, _) = begin(question)
        var ours = STUNServer(at: start)
        let bytes = try ours.answer(request, from: mapped, to: server, isServed: true, at: start)
        #expect(bytes.count <= request.count)
        let actions = try client.receive(bytes, from: server, on: 0, at: start)
        #expect(actions == [.done(question, .answered(.init(mapped: mapped, other: nil, roundTripTime: .zero)))])
    }
}
