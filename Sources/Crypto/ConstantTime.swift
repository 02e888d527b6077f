import COpenSSL

/// Comparison whose time does not depend on where the bytes differ.
package enum ConstantTime {
    /// For authentication codes and other public-length values: lengths are compared openly.
    package static func isEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        unsafe left.withUnsafeBytes { left in unsafe right.withUnsafeBytes { right in unsafe isEqual(left, right) } }
    }

    static func isEqual(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Bool {
        guard left.count == right.count else { return false }
        guard let leftStart = left.baseAddress, let rightStart = right.baseAddress else { return true }
        return unsafe CRYPTO_memcmp(leftStart, rightStart, left.count) == 0
    }
}
