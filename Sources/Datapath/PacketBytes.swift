/// A run of bytes inside a buffer that somebody else keeps alive: what the packet path reads and writes in place.
///
/// Every access is checked against `count`, so a wrong offset stops the program instead of reading past the run. What
/// is *not* checked is lifetime: a value must not outlive its buffer. Hence it is not `Sendable`, engines make it
/// from buffers that live as long as they do, and functions that take it keep it only for the call. A span would
/// prove that too, but two overlapping mutable runs, which sealing and merging in place need, cannot be spans.
@safe package struct PacketBytes {
    private let base: UnsafeMutableRawPointer
    package let count: Int

    /// `base` stays valid for `count` bytes as long as the value, and every slice of it, is used.
    package init(_ base: UnsafeMutableRawPointer, count: Int) {
        precondition(count >= 0)
        unsafe self.base = base
        self.count = count
    }

    /// The first byte's address, for ciphers and system calls, which must keep within `count`.
    package var pointer: UnsafeMutableRawPointer { unsafe base }

    package var array: [UInt8] {
        unsafe [UInt8](UnsafeRawBufferPointer(start: base, count: count))
    }

    package func slice(_ offset: Int, _ count: Int) -> PacketBytes {
        require(offset, count)
        return unsafe PacketBytes(base + offset, count: count)
    }

    package func from(_ offset: Int) -> PacketBytes { slice(offset, count - offset) }

    package func prefix(_ count: Int) -> PacketBytes { slice(0, count) }

    // MARK: fields, big-endian

    package subscript(offset: Int) -> UInt8 {
        get {
            require(offset, 1)
            return unsafe base.load(fromByteOffset: offset, as: UInt8.self)
        }
        nonmutating set {
            require(offset, 1)
            unsafe base.storeBytes(of: newValue, toByteOffset: offset, as: UInt8.self)
        }
    }

    package func uint16(at offset: Int) -> UInt16 { UInt16(bigEndian: word16(at: offset)) }
    package func uint32(at offset: Int) -> UInt32 { UInt32(bigEndian: word32(at: offset)) }
    package func uint64(at offset: Int) -> UInt64 { UInt64(bigEndian: word64(at: offset)) }

    package func set(_ value: UInt16, at offset: Int) { setWord(value.bigEndian, at: offset) }
    package func set(_ value: UInt32, at offset: Int) {
        require(offset, 4)
        unsafe base.storeBytes(of: value.bigEndian, toByteOffset: offset, as: UInt32.self)
    }
    package func set(_ value: UInt64, at offset: Int) {
        require(offset, 8)
        unsafe base.storeBytes(of: value.bigEndian, toByteOffset: offset, as: UInt64.self)
    }

    // MARK: words in memory order, for checksums, comparisons and little-endian fields

    package func word16(at offset: Int) -> UInt16 {
        require(offset, 2)
        return unsafe base.loadUnaligned(fromByteOffset: offset, as: UInt16.self)
    }

    package func word32(at offset: Int) -> UInt32 {
        require(offset, 4)
        return unsafe base.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
    }

    package func word64(at offset: Int) -> UInt64 {
        require(offset, 8)
        return unsafe base.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
    }

    package func lanes(at offset: Int) -> SIMD8<UInt32> {
        require(offset, 32)
        return unsafe base.loadUnaligned(fromByteOffset: offset, as: SIMD8<UInt32>.self)
    }

    package func setWord(_ word: UInt16, at offset: Int) {
        require(offset, 2)
        unsafe base.storeBytes(of: word, toByteOffset: offset, as: UInt16.self)
    }

    // MARK: blocks

    /// Copies all of `source` to `offset`; the two may overlap.
    package func copy(_ source: PacketBytes, at offset: Int = 0) {
        require(offset, source.count)
        unsafe (base + offset).copyMemory(from: source.base, byteCount: source.count)
    }

    package func copy(_ source: [UInt8], at offset: Int = 0) {
        require(offset, source.count)
        unsafe source.withUnsafeBytes { source in
            unsafe UnsafeMutableRawBufferPointer(start: base + offset, count: source.count).copyMemory(from: source)
        }
    }

    package func fill(_ offset: Int, _ count: Int, with byte: UInt8 = 0) {
        require(offset, count)
        _ = unsafe (base + offset).initializeMemory(as: UInt8.self, repeating: byte, count: count)
    }

    /// Whether `count` bytes at `offset` equal those of `other` at the same offset.
    package func matches(_ other: PacketBytes, at offset: Int, count: Int) -> Bool {
        require(offset, count)
        other.require(offset, count)
        var position = offset
        let end = offset &+ count
        while position &+ 8 <= end {
            if word64(at: position) != other.word64(at: position) { return false }
            position &+= 8
        }
        while position < end {
            if self[position] != other[position] { return false }
            position &+= 1
        }
        return true
    }

    @inline(__always)
    private func require(_ offset: Int, _ count: Int) {
        precondition(offset >= 0 && count >= 0 && offset <= self.count &- count)
    }
}

/// A buffer that owns its memory. Its `bytes` are for owners that keep the buffer in a stored property; for a buffer
/// that lives no longer than a call there are `reading` and `array`.
@safe package final class PacketBuffer {
    package let bytes: PacketBytes

    package init(count: Int) {
        let base = UnsafeMutableRawPointer.allocate(byteCount: max(1, count), alignment: 64)
        unsafe bytes = PacketBytes(base, count: count)
    }

    deinit { unsafe bytes.pointer.deallocate() }

    /// Calls `body` with a copy of `array`.
    package static func reading<Result>(_ array: [UInt8], _ body: (PacketBytes) -> Result) -> Result {
        let buffer = PacketBuffer(count: array.count)
        buffer.bytes.copy(array)
        return withExtendedLifetime(buffer) { body(buffer.bytes) }
    }

    /// The bytes that `body` writes into `count` zeros.
    package static func array(count: Int, _ body: (PacketBytes) -> Void) -> [UInt8] {
        let buffer = PacketBuffer(count: count)
        return withExtendedLifetime(buffer) {
            buffer.bytes.fill(0, count)
            body(buffer.bytes)
            return buffer.bytes.array
        }
    }
}
