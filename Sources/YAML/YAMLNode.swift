/// One value of a YAML document and where it begins, for messages that point at it.
package struct YAMLNode: Equatable, Sendable {
    package enum Content: Equatable, Sendable {
        /// Text as written. `isPlain` is false when it stood in quotes or in a block, which makes it text for certain.
        case scalar(String, isPlain: Bool)
        case sequence([YAMLNode])
        /// In the order of the file, repeated keys included: the reader reports those.
        case mapping([Entry])
    }

    package struct Entry: Equatable, Sendable {
        package var key: YAMLNode
        package var value: YAMLNode

        package init(key: YAMLNode, value: YAMLNode) {
            self.key = key
            self.value = value
        }
    }

    package var content: Content
    package var position: YAMLPosition

    package init(content: Content, position: YAMLPosition) {
        self.content = content
        self.position = position
    }

    /// A plain scalar that means "no value" (YAML 1.2 core schema), as after a key with nothing behind it.
    package var isNull: Bool {
        if case .scalar(let text, isPlain: true) = content {
            ["", "~", "null", "Null", "NULL"].contains(text)
        } else {
            false
        }
    }
}

/// A place in a file, as editors count: both numbers begin with 1.
package struct YAMLPosition: Equatable, Comparable, Sendable {
    package var line: Int
    package var column: Int

    package init(line: Int, column: Int) {
        self.line = line
        self.column = column
    }

    package static func < (left: YAMLPosition, right: YAMLPosition) -> Bool {
        (left.line, left.column) < (right.line, right.column)
    }
}

/// Why a text is not a document that we read.
package struct YAMLError: Error, Equatable, Sendable {
    package var position: YAMLPosition
    /// What is wrong, in words that follow "line 3: ".
    package var reason: String
}
