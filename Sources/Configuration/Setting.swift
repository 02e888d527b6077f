import YAML

/// One key of the file: where it stands, what it takes, what it means and when a change of it takes effect.
struct Setting: Sendable {
    /// As "listen.port".
    let path: String
    let effect: ConfigurationChange.Effect
    /// One sentence or two, for the reference: meaning, unit, reason for the default.
    let meaning: String
    let expected: String
    /// Reads the value into the configuration, or reports what is wrong with it.
    let read: @Sendable (YAMLNode, inout Configuration, inout FieldReader) -> Void
    /// The value on one line of YAML.
    let text: @Sendable (Configuration) -> String

    init<Value>(
        _ path: String, _ field: any WritableKeyPath<Configuration, Value> & Sendable, _ format: Format<Value>,
        _ effect: ConfigurationChange.Effect, _ meaning: String
    ) {
        self.path = path
        self.effect = effect
        self.meaning = meaning
        expected = format.expected
        read = { node, configuration, reader in
            if let value = format.read(node, path, &reader) { configuration[keyPath: field] = value }
        }
        text = { format.text($0[keyPath: field]) }
    }
}
