import CJansson

/// Owns one of jansson's values and everything below it.
@safe struct JSONDocument: ~Copyable {
    private let root: UnsafeMutablePointer<json_t>

    /// Parses text that `JSONValue` has found to be within its limits.
    init(parsing text: [UInt8]) throws(JSONError) {
        var error = json_error_t()
        let flags = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL
        let root = unsafe text.withUnsafeBytes { bytes in
            unsafe json_loadb(bytes.baseAddress, bytes.count, Int(flags), &error)
        }
        guard let root = unsafe root else {
            let reason = unsafe withUnsafeBytes(of: error.text) { characters in
                unsafe String(decoding: characters.prefix { $0 != 0 }, as: UTF8.self)
            }
            throw .malformed(
                line: max(1, Int(error.line)), column: max(1, Int(error.column)), reason: reason)
        }
        unsafe self.root = root
    }

    init(_ value: JSONValue) {
        unsafe root = Self.build(value)
    }

    deinit {
        unsafe json_decref(root)
    }

    var value: JSONValue { unsafe Self.value(of: root) }

    /// The document as text; numbers with fractions have 15 significant digits.
    func text(indented: Bool) -> [UInt8] {
        let layout = indented ? Int(2) : Int(JSON_COMPACT)
        let flags = layout | Int(JSON_ENCODE_ANY) | 15 << 11
        let count = unsafe json_dumpb(root, nil, 0, flags)
        return unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, written in
            written = unsafe buffer.withMemoryRebound(to: CChar.self) { characters in
                unsafe json_dumpb(root, characters.baseAddress, count, flags)
            }
        }
    }

    private static func value(of json: UnsafeMutablePointer<json_t>) -> JSONValue {
        switch unsafe json.pointee.type {
        case JSON_TRUE: return .boolean(true)
        case JSON_FALSE: return .boolean(false)
        case JSON_INTEGER: return .integer(Int64(unsafe json_integer_value(json)))
        case JSON_REAL: return .number(unsafe json_real_value(json))
        case JSON_STRING: return .string(unsafe text(json_string_value(json), count: json_string_length(json)))
        case JSON_ARRAY:
            return .array(
                (0..<(unsafe json_array_size(json))).compactMap { index in
                    guard let element = unsafe json_array_get(json, index) else { return nil }
                    return unsafe value(of: element)
                })
        case JSON_OBJECT:
            var object = JSONObject()
            var iterator = unsafe json_object_iter(json)
            while let current = unsafe iterator, let member = unsafe json_object_iter_value(current) {
                let name = unsafe text(json_object_iter_key(current), count: json_object_iter_key_len(current))
                object.append(name, unsafe value(of: member))
                unsafe iterator = json_object_iter_next(json, current)
            }
            return .object(object)
        default: return .null
        }
    }

    private static func text(_ characters: UnsafePointer<CChar>?, count: Int) -> String {
        let buffer = unsafe UnsafeRawBufferPointer(start: characters, count: count)
        return unsafe String(decoding: buffer, as: UTF8.self)
    }

    /// jansson answers `nil` only where memory has run out, which ends a Swift program anyway.
    private static func build(_ value: JSONValue) -> UnsafeMutablePointer<json_t> {
        let json: UnsafeMutablePointer<json_t>?
        switch value {
        case .null: unsafe json = json_null()
        case .boolean(let flag): unsafe json = flag ? json_true() : json_false()
        case .integer(let integer): unsafe json = json_integer(json_int_t(integer))
        case .number(let number): unsafe json = number.isFinite ? json_real(number) : json_null()
        case .string(let string): unsafe json = withCharacters(of: string) { unsafe json_stringn($0, $1) }
        case .array(let elements):
            let array = unsafe json_array()
            for element in elements {
                _ = unsafe json_array_append_new(array, build(element))
            }
            unsafe json = array
        case .object(let object):
            let built = unsafe json_object()
            for (name, member) in object.members {
                let member = unsafe build(member)
                _ = unsafe withCharacters(of: name) { unsafe json_object_setn_new(built, $0, $1, member) }
            }
            unsafe json = built
        }
        guard let json = unsafe json else { preconditionFailure("jansson could not allocate a value") }
        return unsafe json
    }

    private static func withCharacters<Result>(
        of string: String, _ body: (UnsafePointer<CChar>?, Int) -> Result
    ) -> Result {
        var string = string
        return string.withUTF8 { bytes in
            unsafe bytes.withMemoryRebound(to: CChar.self) { unsafe body($0.baseAddress, $0.count) }
        }
    }
}
