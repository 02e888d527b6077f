import JSON

/// One container of containerd's list (api/services/containers/v1, Container): id 1, labels 2, spec 5.
struct ContainerdContainer: Equatable {
    var id = ""
    var labels: [String: String] = [:]
    /// Its OCI runtime specification gives it no network namespace of its own.
    var isOnHostNetwork = false

    /// A ListContainersResponse: containers 1.
    static func list(parsing message: ArraySlice<UInt8>) throws(RuntimeFailure) -> [ContainerdContainer] {
        var containers: [ContainerdContainer] = []
        var reader = ProtobufReader(message)
        while let (field, value) = try reader.next() {
            guard field == 1 else { continue }
            containers.append(try ContainerdContainer(parsing: value.block))
        }
        return containers
    }

    private init(parsing message: ArraySlice<UInt8>) throws(RuntimeFailure) {
        var reader = ProtobufReader(message)
        while let (field, value) = try reader.next() {
            switch field {
            case 1: id = value.text
            case 2:
                var entry = ProtobufReader(value.block)
                var pair = ["", ""]
                while let (part, text) = try entry.next() {
                    if part == 1 || part == 2 { pair[Int(part) - 1] = text.text }
                }
                labels[pair[0]] = pair[1]
            case 5: isOnHostNetwork = try Self.sharesHostNetwork(value.block)
            default: break
            }
        }
    }

    /// From a google.protobuf.Any whose value (2) is a specification in JSON. One that is not understood has its own.
    private static func sharesHostNetwork(_ message: ArraySlice<UInt8>) throws(RuntimeFailure) -> Bool {
        var reader = ProtobufReader(message)
        while let (field, value) = try reader.next() {
            guard field == 2 else { continue }
            do {
                guard let linux = try JSONCursor(try JSONValue(parsing: Array(value.block))).optionalMember("linux")
                else {
                    return false
                }
                let namespaces = try linux.optionalMember("namespaces")?.elements() ?? []
                for namespace in namespaces where try namespace.member("type").string() == "network" { return false }
                return true
            } catch {
                return false
            }
        }
        return false
    }
}

/// A container's process (api/services/tasks/v1, Process): container 1, id 2, pid 3, status 4.
struct ContainerdTask: Equatable {
    enum Status: UInt64 {
        case unknown, created, running, stopped, paused, pausing
    }

    var container = ""
    var process: UInt32 = 0
    var status = Status.unknown

    /// A ListTasksResponse: tasks 1.
    static func list(parsing message: ArraySlice<UInt8>) throws(RuntimeFailure) -> [ContainerdTask] {
        var tasks: [ContainerdTask] = []
        var reader = ProtobufReader(message)
        while let (field, value) = try reader.next() {
            guard field == 1 else { continue }
            var task = ContainerdTask()
            var id = ""
            var fields = ProtobufReader(value.block)
            while let (field, value) = try fields.next() {
                switch field {
                case 1: task.container = value.text
                case 2: id = value.text
                case 3: task.process = UInt32(truncatingIfNeeded: value.number)
                case 4: task.status = Status(rawValue: value.number) ?? .unknown
                default: break
                }
            }
            if task.container.isEmpty { task.container = id }
            tasks.append(task)
        }
        return tasks
    }
}

/// What containerd tells of (types/event, Envelope): namespace 2, topic 3, event 4.
struct ContainerdEvent: Equatable {
    var namespace = ""
    var topic = ""
    /// The container of a task's event, and the id of its process, which is the same for the container's own.
    var container = ""
    var process = ""

    init(parsing message: ArraySlice<UInt8>) throws(RuntimeFailure) {
        var reader = ProtobufReader(message)
        while let (field, value) = try reader.next() {
            switch field {
            case 2: namespace = value.text
            case 3: topic = value.text
            case 4:
                var event = ProtobufReader(value.block)
                while let (part, content) = try event.next() {
                    if part == 2, topic.hasPrefix("/tasks/") { try readTask(content.block) }
                }
            default: break
            }
        }
    }

    /// TaskStart, TaskExit and the others: container 1, and in those of a process its id 2.
    private mutating func readTask(_ message: ArraySlice<UInt8>) throws(RuntimeFailure) {
        var reader = ProtobufReader(message)
        while let (field, value) = try reader.next() {
            switch (field, value) {
            case (1, .block): container = value.text
            case (2, .block): process = value.text
            default: break
            }
        }
    }
}

/// A ListNamespacesResponse: namespaces 1, each with its name 1.
enum ContainerdNamespaces {
    static func names(parsing message: ArraySlice<UInt8>) throws(RuntimeFailure) -> [String] {
        var names: [String] = []
        var reader = ProtobufReader(message)
        while let (field, value) = try reader.next() {
            guard field == 1 else { continue }
            var fields = ProtobufReader(value.block)
            while let (field, value) = try fields.next() {
                if field == 1 { names.append(value.text) }
            }
        }
        return names
    }
}
