package import JSON

/// The answer to `reload`.
package struct ReloadResult: JSONRepresentable {
    /// Keys of the configuration whose new value is now in force.
    package var applied: [String]
    /// Keys that changed but take effect only when the daemon is restarted.
    package var needRestart: [String]

    package init(applied: [String] = [], needRestart: [String] = []) {
        self.applied = applied
        self.needRestart = needRestart
    }

    package init(json: JSONCursor) throws(JSONError) {
        self.init(applied: try json.texts("applied"), needRestart: try json.texts("needRestart"))
    }

    package var json: JSONValue {
        ["applied": JSONValue(texts: applied), "needRestart": JSONValue(texts: needRestart)]
    }
}

/// The answer to `version`: the daemon's own.
package struct DaemonVersion: JSONRepresentable {
    package var version: String
    package var processID: Int

    package init(version: String, processID: Int) {
        self.version = version
        self.processID = processID
    }

    package init(json: JSONCursor) throws(JSONError) {
        self.init(
            version: try json.member("version").string(), processID: try json.member("processID").integer())
    }

    package var json: JSONValue { ["version": .string(version), "processID": .integer(Int64(processID))] }
}
