import Relay
import SansIO
import Wire

/// Frames that this node forwards, as groups to send. Frames of one train that follow each other on one circuit are a *run*: what
/// they have in common is looked up and counted once.
struct RelayedFrames: ~Copyable {
    /// Read in place: a copy would count references per frame.
    private struct Run {
        /// `nil` between runs.
        var circuit: UInt64?
        var destination = Destination(Endpoint(.v4(.any), port: 0))
        var meter: RelayMeter?
        var isLimited = false
        var packets = 0
        var bytes = 0
    }

    private var groups = OutgoingGroups(capacity: 64)
    private var run = Run()
    /// Messages forwarded since the beginning.
    private(set) var count: UInt64 = 0

    /// Since `removeAll`.
    var list: [OutgoingGroup] { groups.list }

    /// Whether the next frame along a circuit belongs to the present run.
    func isRunning(along circuit: UInt64) -> Bool { run.circuit == circuit }

    mutating func beginRun(along circuit: UInt64, to destination: Destination, _ meter: RelayMeter) {
        endRun()
        run = Run(circuit: circuit, destination: destination, meter: meter, isLimited: meter.quota.isLimited)
    }

    /// Takes a frame of the present run, into which the next circuit is written. `false`: its member has had its share.
    mutating func append(_ train: PacketBytes, _ offset: Int, _ count: Int, at now: Instant) -> Bool {
        if run.isLimited, let meter = run.meter, !meter.admits(count, at: now) { return false }
        RelayHeader.setCircuit(run.destination.circuit ?? 0, of: train.slice(offset, count))
        groups.append(train, offset, count, to: run.destination, isSameDestination: run.packets > 0)
        run.packets &+= 1
        run.bytes &+= count
        return true
    }

    /// Counts what the run has forwarded. What comes next is looked up anew.
    mutating func endRun() {
        guard run.circuit != nil else { return }
        groups.close()
        if run.packets > 0 {
            run.meter?.noteRelayed(packets: run.packets, bytes: run.bytes)
            count &+= UInt64(run.packets)
        }
        run = Run()
    }

    mutating func removeAll() { groups.removeAll() }
}
