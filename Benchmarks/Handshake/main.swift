// How many handshakes one core answers, and how many forged ones it turns away. Prints the median of five runs, in CPU
// time of the thread, so that other work on the machine does not count. Build it with `-c release`.

let runCount = 5
report("responder handshakes", of: 1000, HandshakeLoad(initiators: 50).answer)
report("initiations with a wrong mac1 dropped", of: 200_000, HandshakeLoad(initiators: 1).dropForgeries)
report("initiations under load answered with a cookie", of: 50_000, HandshakeLoad(initiators: 1).answerWithCookies)

/// Runs `work` on `count` messages several times and prints how many it takes in a second.
func report(_ what: String, of count: Int, _ work: (Int) -> Double) {
    let rates = (0..<runCount).map { _ in Int(Double(count) / work(count)) }.sorted()
    print("\(what): \(rates[runCount / 2])/s (lowest \(rates[0]), highest \(rates[runCount - 1]))")
}
