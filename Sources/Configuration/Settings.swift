import Wire

/// Every key there is, in the order of the reference file. Keys of one section stand together.
extension Setting {
    static let all: [Setting] = [
        Setting(
            "node.name", \.node.name, .nodeName, .join,
            "Name of this node in the mesh. Default: the host's name, in lower case."),
        Setting(
            "interface", \.interface, .interfaceName, .restart,
            "Name of the TUN interface that meshd makes."),
        Setting(
            "mtu", \.mtu, .mtu, .restart,
            "Largest packet inside the mesh, in bytes. auto is 1408, which fits a path of 1500 bytes over IPv6 and a relay."
        ),
        Setting(
            "ipv4Range", \.ipv4Range,
            .parsed("an IPv4 prefix of /8 to /15, as 10.128.0.0/9") { range in
                range.isIPv4 && (8...15).contains(range.length)
            }, .join,
            "IPv4 addresses of the whole mesh, each node a /24 of it. Read on the host that creates the mesh; hosts that"
                + " join take theirs from the token. The default stays clear of the half of 10.0.0.0/8 that most use."),
        Setting(
            "listen.port", \.listen.port, .integer(1...65_535), .restart,
            "UDP port for other nodes, on IPv4 and IPv6."),
        Setting(
            "listen.addresses", \.listen.addresses, .list(of: .parsed("an IP address"), limit: 16), .restart,
            "Local addresses to listen on. Default: all."),
        Setting(
            "advertise", \.advertise, .list(of: .advertisedEndpoint, limit: 8), .live,
            "Addresses at which others reach this node, where it cannot see them itself (a port forwarding, a cloud's"
                + " outside address). Without a port, listen.port is meant."),
        Setting(
            "keepalive", \.keepalive, .duration(.seconds(5)...(.seconds(120))), .live,
            "Longest silence towards a peer in use, so that NATs on the way keep their mapping. 25 s is less than the 30 s"
                + " after which many forget."),
        Setting(
            "containers.mapping", \.containers.mapping, .choice, .live,
            "auto maps container subnets that other hosts may use too (172.17.0.0/16) 1:1 into this node's mesh prefix;"
                + " off leaves containers unreached unless their addresses are in that prefix."),
        Setting(
            "containers.bridges", \.containers.bridges, .list(of: .interfaceName, limit: 64), .live,
            "Bridges whose containers join the mesh. Default: those of Docker and of CNI plugins, as they are found."),
        Setting(
            "containers.prefixes", \.containers.prefixes, .list(of: .containerPrefix, limit: 64), .live,
            "Container subnets that cannot be read from their bridge, as {prefix: 10.22.0.0/16, bridge: br-edge}."),
        Setting(
            "forwarding.dockerUser", \.forwarding.dockerUser, .choice, .live,
            "auto lets mesh traffic pass Docker's forward policy by a rule in its DOCKER-USER chain; off leaves that to you."
        ),
        Setting(
            "stun.serve", \.stun.serve, .choice, .live,
            "Whom this node tells, on its own UDP port, from which address they ask (STUN): all, members of the mesh only, or"
                + " nobody. Answers are limited in rate and never longer than three times the question."),
        Setting(
            "stun.servers", \.stun.servers, .list(of: .advertisedEndpoint, limit: 8), .live,
            "Stock STUN servers that are asked for this host's outside address, beside the nodes of the mesh. Without a port,"
                + " 3478 is meant."),
        Setting(
            "portMapping", \.portMapping, .choice, .live,
            "auto asks this host's gateways, by PCP, NAT-PMP or UPnP, to forward listen.port and to let others in by IPv6, and takes"
                + " that back when the mesh goes down; off asks them nothing."),
        Setting(
            "portSearch", \.portSearch, .choice, .live,
            "auto lets this node look for a direct path past NATs that give every destination another port: at most 256"
                + " sockets, 200 small packets a second for 16 seconds, one search at a time, seldom repeated. off leaves such"
                + " peers to a relay."),
        Setting(
            "relay.enabled", \.relay.enabled, .boolean, .live,
            "Whether this node forwards sealed packets of two others that cannot reach each other. It cannot read them."
        ),
        Setting(
            "relay.maxRate", \.relay.maxRate, .rate, .live,
            "How much this node forwards for all others together. When that is used up, members that send more than their share"
                + " lose packets first."),
        Setting(
            "relay.maxRatePerPeer", \.relay.maxRatePerPeer, .rate, .live,
            "How much this node forwards of what one member sends."),
        Setting(
            "relayNodes", \.relayNodes, .list(of: .relayNode, limit: 16), .live,
            "Nodes to relay through first, as {nodeName: hub-1, advertiseAddress: [192.0.2.1]}. Others try those addresses"
                + " before what the node says of itself; the node that is named advertises them, and takes that back when"
                + " nobody reaches it there. Without a port, listen.port is meant."),
        Setting(
            "stream.port", \.stream.port, .integer(0...65_535), .live,
            "TCP port on which this node takes TLS streams of nodes whose network blocks UDP, where it can be reached and"
                + " relay.enabled is true. 0: none. 443 is what such networks let through."),
        Setting(
            "stream.proxy", \.stream.proxy, .proxy, .live,
            "HTTP proxy through which this node opens TLS streams where UDP is blocked. auto is what https_proxy and"
                + " no_proxy in the environment of meshd say."),
        Setting(
            "stream.sni", \.stream.sni, .serverName, .live,
            "Host name that TLS streams of this node show to the network; it means nothing to the relay. Default: none."
        ),
        Setting(
            "services.directory", \.services.directory, .pathOrOff(), .live,
            "Folder of Kubernetes manifests (Service, EndpointSlice, Endpoints, Node; YAML or JSON) that is watched; off reads"
                + " none."),
        Setting(
            "services.docker", \.services.docker, .pathOrOff(limit: 107), .live,
            "Docker's socket: containers with the label kubemesh.service are endpoints of that service. off asks nothing."
        ),
        Setting(
            "services.containerd", \.services.containerd, .pathOrOff(limit: 107), .live,
            "containerd's socket, as services.docker; containers of Kubernetes are left to its API."),
        Setting(
            "services.answerPing", \.services.answerPing, .boolean, .live,
            "Whether a service's address answers a ping while it has an endpoint."),
        Setting(
            "services.edgeMeshLabel", \.services.edgeMeshLabel, .choice, .live,
            "What EdgeMesh's label service.edgemesh.kubeedge.io/service-proxy-name means: services that bear it are left out"
                + " (filterIfPresent), or all others are (filterIfAbsent)."),
        Setting(
            "dns.enabled", \.dns.enabled, .boolean, .restart,
            "Whether this node answers names."),
        Setting(
            "dns.listen", \.dns.listen, .list(of: .parsed("an IP address"), limit: 8), .restart,
            "Addresses at which names are answered, port 53, UDP and TCP; meshd puts them on its interface. The default is"
                + " EdgeMesh's."),
        Setting(
            "dns.clusterDomain", \.dns.clusterDomain, .nodeName, .restart,
            "Domain of services, as in web.shop.svc.cluster.local."),
        Setting(
            "dns.meshDomain", \.dns.meshDomain, .nodeName, .restart,
            "Domain of nodes and their containers, as in edge-1.mesh.internal and web.edge-1.mesh.internal."),
        Setting(
            "dns.upstreams", \.dns.upstreams, .list(of: .advertisedEndpoint, limit: 8), .live,
            "Servers for all other names. Without a port, 53 is meant. Default: those that the host itself uses."),
        Setting(
            "dns.routes", \.dns.routes, .list(of: .nameRoute, limit: 64), .live,
            "Domains with servers of their own, as {domain: corp.example, servers: [10.1.1.53]}."),
        Setting(
            "certificate.lifetime", \.certificate.lifetime, .duration(.seconds(86_400)...(.seconds(3650 * 86_400))),
            .live,
            "How long certificates that this node issues are valid. A year outlasts a season with no uplink."),
        Setting(
            "certificate.renewBefore", \.certificate.renewBefore,
            .duration(.seconds(3600)...(.seconds(3650 * 86_400))), .live,
            "How long before its end this node's certificate is renewed; less than certificate.lifetime."),
        Setting(
            "stateDirectory", \.stateDirectory, .absolutePath(), .restart,
            "Where keys, certificates and known peers are kept, for meshd alone (mode 0700)."),
        Setting(
            "controlSocket.path", \.controlSocket.path, .absolutePath(limit: 107), .restart,
            "Unix socket that meshctl talks to (mode 0660)."),
        Setting(
            "controlSocket.group", \.controlSocket.group, .groupName, .restart,
            "Group whose members may use meshctl; where it does not exist, root only."),
        Setting(
            "logging.level", \.logging.level, .choice, .live,
            "Least severity that is logged."),
        Setting(
            "logging.format", \.logging.format, .choice, .live,
            "text for people and the journal, json with one object a line."),
        Setting(
            "limits.peers", \.limits.peers, .integer(16...16_384), .restart,
            "Nodes known at once."),
        Setting(
            "limits.circuits", \.limits.circuits, .integer(0...65_535), .restart,
            "Circuits relayed at once."),
        Setting(
            "limits.tentativeSessions", \.limits.tentativeSessions, .integer(16...4096), .restart,
            "Sessions whose other end has not yet shown its certificate."),
        Setting(
            "limits.streams", \.limits.streams, .integer(0...4096), .restart,
            "TLS streams of others at once."),
    ]
}
