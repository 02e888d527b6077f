import CYAML

/// Reads YAML documents through libyaml's event interface.
///
/// Anchors, aliases and tags are refused: nothing here needs them, and aliases let a small file
/// unfold into a large value. Depth and size are bounded.
@safe package struct YAMLParser: ~Copyable {
    package static let sizeLimitBytes = 1 << 20
    package static let depthLimit = 32

    private let parser: UnsafeMutablePointer<yaml_parser_t>
    /// libyaml reads the text from where it lies, so it stays in one place until `deinit`.
    private let text: UnsafeMutableBufferPointer<UInt8>

    /// The root of the only document in `text`, or `nil` if there is nothing but white space and comments.
    package static func parse(_ text: [UInt8]) throws(YAMLError) -> YAMLNode? {
        guard text.count <= sizeLimitBytes else {
            throw YAMLError(position: .start, reason: "the file is larger than \(sizeLimitBytes) bytes")
        }
        let parser = YAMLParser(text)
        return try parser.document()
    }

    /// The roots of all documents in `text`, in order; an empty document between two marks is a null.
    package static func documents(
        in text: [UInt8], sizeLimitBytes: Int = sizeLimitBytes
    ) throws(YAMLError) -> [YAMLNode] {
        guard text.count <= sizeLimitBytes else {
            throw YAMLError(position: .start, reason: "the file is larger than \(sizeLimitBytes) bytes")
        }
        let parser = YAMLParser(text)
        return try parser.allDocuments()
    }

    private init(_ bytes: [UInt8]) {
        unsafe text = .allocate(capacity: max(bytes.count, 1))
        _ = unsafe text.update(fromContentsOf: bytes)
        unsafe parser = .allocate(capacity: 1)
        precondition(unsafe yaml_parser_initialize(parser) == 1, "out of memory")
        unsafe yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
        unsafe yaml_parser_set_input_string(parser, text.baseAddress, bytes.count)
    }

    deinit {
        unsafe yaml_parser_delete(parser)
        unsafe parser.deallocate()
        unsafe text.deallocate()
    }

    private func document() throws(YAMLError) -> YAMLNode? {
        _ = try nextEvent()
        guard case .documentStart = try nextEvent().kind else { return nil }
        let root = try node(beginningWith: try nextEvent(), depth: 1)
        _ = try nextEvent()
        let last = try nextEvent()
        guard case .streamEnd = last.kind else {
            throw YAMLError(position: last.position, reason: "a second document begins; only one is read")
        }
        return root
    }

    private func allDocuments() throws(YAMLError) -> [YAMLNode] {
        _ = try nextEvent()
        var roots: [YAMLNode] = []
        while case .documentStart = try nextEvent().kind {
            roots.append(try node(beginningWith: try nextEvent(), depth: 1))
            _ = try nextEvent()
        }
        return roots
    }

    private func node(beginningWith event: Event, depth: Int) throws(YAMLError) -> YAMLNode {
        guard depth <= Self.depthLimit else {
            throw YAMLError(position: event.position, reason: "nested deeper than \(Self.depthLimit) levels")
        }
        switch event.kind {
        case .scalar(let text, let isPlain):
            return YAMLNode(content: .scalar(text, isPlain: isPlain), position: event.position)
        case .sequenceStart:
            var items: [YAMLNode] = []
            while true {
                let next = try nextEvent()
                if case .collectionEnd = next.kind {
                    return YAMLNode(content: .sequence(items), position: event.position)
                }
                items.append(try node(beginningWith: next, depth: depth + 1))
            }
        case .mappingStart:
            var entries: [YAMLNode.Entry] = []
            while true {
                let next = try nextEvent()
                if case .collectionEnd = next.kind {
                    return YAMLNode(content: .mapping(entries), position: event.position)
                }
                let key = try node(beginningWith: next, depth: depth + 1)
                let value = try node(beginningWith: try nextEvent(), depth: depth + 1)
                entries.append(YAMLNode.Entry(key: key, value: value))
            }
        case .documentStart, .collectionEnd, .streamEnd, .other:
            throw YAMLError(position: event.position, reason: "a value is missing")
        }
    }
}

extension YAMLParser {
    /// What is used of one libyaml event.
    private struct Event {
        enum Kind {
            case documentStart, sequenceStart, mappingStart, collectionEnd, streamEnd, other
            case scalar(String, isPlain: Bool)
        }
        var kind: Kind
        var position: YAMLPosition
    }

    private func nextEvent() throws(YAMLError) -> Event {
        var event = unsafe yaml_event_t()
        guard unsafe yaml_parser_parse(parser, &event) == 1 else { throw syntaxError() }
        defer { unsafe yaml_event_delete(&event) }
        let position = unsafe YAMLPosition(event.start_mark)
        func refuse(_ reason: String) -> YAMLError { YAMLError(position: position, reason: reason) }
        switch unsafe event.type {
        case YAML_SCALAR_EVENT:
            let scalar = unsafe event.data.scalar
            guard unsafe scalar.anchor == nil else { throw refuse("anchors (&name) are not read here") }
            guard unsafe scalar.tag == nil else { throw refuse("tags (!name) are not read here") }
            let bytes = unsafe UnsafeBufferPointer(start: scalar.value, count: scalar.length)
            let isPlain = unsafe scalar.style == YAML_PLAIN_SCALAR_STYLE
            return Event(
                kind: .scalar(unsafe String(decoding: bytes, as: UTF8.self), isPlain: isPlain), position: position)
        case YAML_SEQUENCE_START_EVENT:
            let start = unsafe event.data.sequence_start
            guard unsafe start.anchor == nil else { throw refuse("anchors (&name) are not read here") }
            guard unsafe start.tag == nil else { throw refuse("tags (!name) are not read here") }
            return Event(kind: .sequenceStart, position: position)
        case YAML_MAPPING_START_EVENT:
            let start = unsafe event.data.mapping_start
            guard unsafe start.anchor == nil else { throw refuse("anchors (&name) are not read here") }
            guard unsafe start.tag == nil else { throw refuse("tags (!name) are not read here") }
            return Event(kind: .mappingStart, position: position)
        case YAML_ALIAS_EVENT: throw refuse("aliases (*name) are not read here")
        case YAML_SEQUENCE_END_EVENT, YAML_MAPPING_END_EVENT: return Event(kind: .collectionEnd, position: position)
        case YAML_DOCUMENT_START_EVENT: return Event(kind: .documentStart, position: position)
        case YAML_STREAM_END_EVENT: return Event(kind: .streamEnd, position: position)
        default: return Event(kind: .other, position: position)
        }
    }

    private func syntaxError() -> YAMLError {
        let parser = unsafe self.parser.pointee
        guard let problem = unsafe parser.problem else {
            return YAMLError(position: .start, reason: "out of memory")
        }
        var reason = unsafe String(cString: problem)
        if let context = unsafe parser.context { reason = unsafe String(cString: context) + ", " + reason }
        // Errors of the reader (bad UTF-8) have no mark, only an offset of bytes.
        let position =
            unsafe parser.error == YAML_READER_ERROR
            ? self.position(ofByte: unsafe parser.problem_offset) : unsafe YAMLPosition(parser.problem_mark)
        return YAMLError(position: position, reason: reason)
    }

    private func position(ofByte offset: Int) -> YAMLPosition {
        var position = YAMLPosition.start
        for index in 0..<min(offset, unsafe text.count) {
            if unsafe text[index] == UInt8(ascii: "\n") {
                position = YAMLPosition(line: position.line + 1, column: 1)
            } else {
                position.column += 1
            }
        }
        return position
    }
}

extension YAMLPosition {
    package static let start = YAMLPosition(line: 1, column: 1)

    fileprivate init(_ mark: yaml_mark_t) {
        self.init(line: mark.line + 1, column: mark.column + 1)
    }
}
