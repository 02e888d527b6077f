import SansIO

/// What is known of one of containerd's containers: its record, its process, and its addresses, which come from elsewhere.
struct ContainerdEntry: Equatable {
    var container: ContainerdContainer
    var task: ContainerdTask?
    /// Of which process the addresses are.
    var addressed: UInt32 = 0
    var networks: [LocalContainer.Network] = []
    /// Attempts to find an address that came to nothing.
    var attempts = 0
    var askAt: Instant?

    func described(as id: String) -> LocalContainer {
        var described = LocalContainer(id: id, name: container.labels["nerdctl/name"] ?? container.id)
        described.labels = container.labels
        described.isOnHostNetwork = container.isOnHostNetwork
        described.phase =
            switch task?.status {
            case .running: .ready
            case .paused, .pausing: .unready
            default: .stopped
            }
        described.networks = networks
        return described
    }
}
