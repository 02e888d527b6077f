import SansIO
import Testing

@Suite struct TokenBucketTests {
    @Test func `a burst passes at once, then one token each interval`() {
        var bucket = TokenBucket(rate: 10, burst: 3, now: .zero)
        let taken = (0..<5).map { _ in bucket.take(at: .zero) }
        #expect(taken == [true, true, true, false, false])
        let afterwards = [99, 100, 100].map { bucket.take(at: .zero + .milliseconds($0)) }
        #expect(afterwards == [false, true, false])
    }

    @Test func `an idle bucket fills up to its burst and no further`() {
        var bucket = TokenBucket(rate: 10, burst: 3, now: .zero)
        let later = Instant.zero + .seconds(1000)
        #expect(bucket.isFull(at: later))
        let taken = [4, 3].map { bucket.take($0, at: later) }
        #expect(taken == [false, true])
        #expect(!bucket.isFull(at: later))
    }
}
