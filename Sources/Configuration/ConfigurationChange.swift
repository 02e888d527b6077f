/// One key whose value differs between two configurations.
package struct ConfigurationChange: Equatable, Sendable {
    /// When a changed value is used.
    package enum Effect: String, Equatable, Sendable {
        /// At once, with `meshctl reload`; no flow is dropped.
        case live
        /// When meshd starts again.
        case restart
        /// When the host joins or creates a mesh.
        case join
    }

    /// As "listen.port".
    package var key: String
    package var old: String
    package var new: String
    package var effect: Effect
}

extension Configuration {
    /// What a reload changes, in the order of the reference.
    package static func changes(from old: Configuration, to new: Configuration) -> [ConfigurationChange] {
        Setting.all.compactMap { setting in
            let (oldText, newText) = (setting.text(old), setting.text(new))
            guard oldText != newText else { return nil }
            return ConfigurationChange(key: setting.path, old: oldText, new: newText, effect: setting.effect)
        }
    }
}
