// What the packet path costs on one core, without the kernel: ns and allocations per packet or look-up, the best of 21
// rounds. Run it from a release build on an idle machine: swift run -c release bench-datapath
measureRoutes()
measureEngines(payloadSize: 1368)
measureEngines(payloadSize: 24)
