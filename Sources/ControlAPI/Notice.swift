package import JSON

/// Something that an operator should know, and what to do about it.
package struct Notice: JSONRepresentable {
    package var text: String
    /// The next step: a command or a change, in the imperative. `nil` where waiting is all there is to do.
    package var nextStep: String?

    package init(_ text: String, nextStep: String? = nil) {
        self.text = text
        self.nextStep = nextStep
    }

    package init(json: JSONCursor) throws(JSONError) {
        self.init(try json.member("text").string(), nextStep: try json.optionalString("nextStep"))
    }

    package var json: JSONValue { ["text": .string(text), "nextStep": nextStep.json] }
}
