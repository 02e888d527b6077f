/// Datagrams of one size for one destination, laid one after the other, so that the kernel cuts them (UDP_SEGMENT).
package struct OutgoingGroup {
    /// The most datagrams that every kernel with UDP_SEGMENT takes in one call.
    static let countLimit = 64
    /// The largest UDP payload over IPv4.
    static let sizeLimit = 65507

    package fileprivate(set) var bytes: PacketBytes
    /// Bytes of each datagram; the last may be shorter.
    package let segmentSize: Int
    package let destination: Destination

    package var datagramCount: Int { (bytes.count + segmentSize - 1) / segmentSize }
}

/// Collects datagrams that lie in one buffer into groups.
struct OutgoingGroups {
    private(set) var list: [OutgoingGroup] = []
    private var count = 0
    private var start = 0
    private var end = -1
    private var isOpen = false

    init(capacity: Int) {
        list.reserveCapacity(capacity)
    }

    /// Adds the datagram at `offset` of `buffer`. `isSameDestination`: the caller knows it to be the last one's.
    mutating func append(
        _ buffer: PacketBytes, _ offset: Int, _ size: Int, to destination: Destination, isSameDestination: Bool
    ) {
        if isOpen, isSameDestination, offset == end, count < OutgoingGroup.countLimit,
            let group = list.last, size <= group.segmentSize, offset &+ size &- start <= OutgoingGroup.sizeLimit
        {
            list[list.count &- 1].bytes = buffer.slice(start, offset &+ size &- start)
            count &+= 1
            isOpen = size == group.segmentSize
        } else {
            list.append(
                OutgoingGroup(bytes: buffer.slice(offset, size), segmentSize: size, destination: destination))
            start = offset
            count = 1
            isOpen = true
        }
        end = offset &+ size
    }

    /// Sends the datagrams of `group` to another destination too.
    mutating func append(_ group: OutgoingGroup, to destination: Destination) {
        list.append(OutgoingGroup(bytes: group.bytes, segmentSize: group.segmentSize, destination: destination))
        isOpen = false
    }

    /// The next datagram begins a new group.
    mutating func close() { isOpen = false }

    /// Takes back the groups from `index` on.
    mutating func removeAll(from index: Int) {
        list.removeSubrange(index...)
        isOpen = false
    }

    mutating func removeAll() {
        list.removeAll(keepingCapacity: true)
        isOpen = false
    }
}
