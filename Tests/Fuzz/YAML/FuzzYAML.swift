// Gives bytes to what reads files: the YAML parser, and manifests, which are YAML or JSON.

import Fuzzing
import Services
import YAML

@main
enum FuzzYAML {
    static func main() { Fuzzing.main(run) }

    static func run(_ bytes: [UInt8]) {
        // What is refused is of no further interest than that it says where.
        do throws(YAMLError) {
            _ = try YAMLParser.parse(bytes)
        } catch {
            precondition(error.position >= .start && !error.reason.isEmpty)
        }
        do throws(YAMLError) {
            for root in try YAMLParser.documents(in: bytes) { precondition(depth(of: root) <= YAMLParser.depthLimit) }
        } catch {
            precondition(error.position >= .start && !error.reason.isEmpty)
        }
        do throws(ManifestError) {
            // What is taken from a manifest is announced and kept: it comes back from its bytes as it was.
            for object in try Manifest(parsing: bytes, file: "a.yaml").objects {
                let encoded = object.encoded
                guard let read = try? CatalogObject(parsing: encoded) else {
                    preconditionFailure("an object of ours cannot be read")
                }
                precondition(read.encoded == encoded)
            }
        } catch {
            precondition(error.description.utf8.starts(with: "a.yaml".utf8))
        }
    }

    private static func depth(of node: YAMLNode) -> Int {
        switch node.content {
        case .scalar: 1
        case .sequence(let items): 1 + (items.map { depth(of: $0) }.max() ?? 0)
        case .mapping(let entries):
            1 + (entries.flatMap { [depth(of: $0.key), depth(of: $0.value)] }.max() ?? 0)
        }
    }
}
