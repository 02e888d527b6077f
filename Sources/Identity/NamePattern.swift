package import Wire

/// The names that an invite permits: a name in which `*` stands for any run of characters, as "edge-*".
package struct NamePattern: Hashable, Sendable {
    package static let limitBytes = 64
    package static let any = NamePattern(characters: [UInt8(ascii: "*")])

    private let characters: [UInt8]

    private init(characters: [UInt8]) {
        self.characters = characters
    }

    package func matches(_ name: NodeName) -> Bool {
        let name = Array(name.description.utf8)
        var nameIndex = 0
        var patternIndex = 0
        // Where to go on when the text after the last star does not fit: one character later.
        var retry: (pattern: Int, name: Int)?
        while nameIndex < name.count {
            if patternIndex < characters.count, characters[patternIndex] == UInt8(ascii: "*") {
                retry = (patternIndex + 1, nameIndex)
                patternIndex += 1
            } else if patternIndex < characters.count, characters[patternIndex] == name[nameIndex] {
                patternIndex += 1
                nameIndex += 1
            } else if let point = retry {
                retry = (point.pattern, point.name + 1)
                (patternIndex, nameIndex) = (point.pattern, point.name + 1)
            } else {
                return false
            }
        }
        return characters[patternIndex...].allSatisfy { $0 == UInt8(ascii: "*") }
    }
}

extension NamePattern: LosslessStringConvertible {
    /// `nil` unless `text` has 1 to 64 lower-case letters, digits, hyphens, dots and stars.
    package init?(_ text: String) {
        let isFit = text.utf8.allSatisfy { character in
            switch character {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"),
                UInt8(ascii: "."), UInt8(ascii: "*"):
                true
            default: false
            }
        }
        guard (1...Self.limitBytes).contains(text.utf8.count), isFit else { return nil }
        characters = Array(text.utf8)
    }

    package var description: String { String(decoding: characters, as: UTF8.self) }
}
