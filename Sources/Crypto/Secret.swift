import COpenSSL

/// Secret bytes that are erased when their last owner lets go of them.
///
/// Compared in constant time; never printed, hashed or ordered.
@safe package final class Secret: Sendable {
    /// Written only before `init` returns and by `deinit`.
    nonisolated(unsafe) private let storage: UnsafeMutableRawBufferPointer

    /// Copies `bytes`. Erasing the original is the caller's.
    package convenience init(_ bytes: [UInt8]) {
        unsafe self.init(count: bytes.count) { buffer in unsafe buffer.copyBytes(from: bytes) }
    }

    /// Makes a secret of `count` bytes that `fill` writes; they start as zero.
    init(count: Int, fill: (UnsafeMutableRawBufferPointer) -> Void) {
        let storage = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 16)
        unsafe storage.initializeMemory(as: UInt8.self, repeating: 0)
        unsafe fill(storage)
        unsafe self.storage = storage
    }

    deinit {
        unsafe OPENSSL_cleanse(storage.baseAddress, storage.count)
        unsafe storage.deallocate()
    }

    package var count: Int { unsafe storage.count }

    /// A copy, which is not erased: for writing to disk or into a sealed message.
    package var bytes: [UInt8] { unsafe Array(storage) }

    func withBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        unsafe body(UnsafeRawBufferPointer(storage))
    }
}

extension Secret: Equatable {
    /// Constant time in the contents, not in the lengths.
    package static func == (left: Secret, right: Secret) -> Bool {
        unsafe left.withBytes { left in unsafe right.withBytes { right in unsafe ConstantTime.isEqual(left, right) } }
    }
}
