import Crypto
import Wire

/// What a signature is for. The label stands before the signed bytes, so that no signature serves a second purpose.
enum SignaturePurpose: String {
    case certificate = "kubemesh certificate 1"
    case invite = "kubemesh invite 1"
    case record = "kubemesh record 1"
    case announcement = "kubemesh announcement 1"
    case revocation = "kubemesh revocation 1"

    /// The bytes that are signed: the label, a zero, the mesh, the body.
    func message(_ body: [UInt8], in mesh: MeshID) -> [UInt8] {
        Array(rawValue.utf8) + [0] + mesh.bytes.bytes + body
    }
}

/// A statement that some key signs: a body of bytes, and the signature behind it.
protocol Signed {
    static var purpose: SignaturePurpose { get }
    /// The statement without its signature.
    var body: [UInt8] { get }
    /// 64 bytes (Ed25519).
    var signature: [UInt8] { get set }
}

extension Signed {
    func isSigned(by publicKey: Bytes32, in mesh: MeshID, using check: SignatureCheck) -> Bool {
        check.isValid(signature, Self.purpose.message(body, in: mesh), publicKey)
    }

    func signed(with key: SigningKey, in mesh: MeshID) -> Self {
        var copy = self
        copy.signature = key.signature(for: Self.purpose.message(body, in: mesh))
        return copy
    }
}
