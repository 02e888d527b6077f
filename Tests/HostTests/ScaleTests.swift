import Lab
import Testing

/// Large meshes in the simulator, as it is built for use: one for debugging takes many minutes for them.
@Suite(.serialized, .enabled(if: Requirement.isMet, needsRoot))
struct ScaleTests {
    /// Sites of all kinds, lines that jitter and lose, all hosts within five seconds, three more that nobody may talk to. Each host is
    /// one of a pair that talks.
    private static let scenario = """
        --nodes 200 --seed 3 --impostors 3 --flows 100 --interval 2000 --joining 25 --minutes 0 --recovery 5 --steady 10 \
        --loss 1 --jitter 3 --disturb nothing
        """

    @Test func `two hundred hosts that join at once find each other, and twice in the very same way`() throws {
        try Lab.with("host") { lab in
            guard let meshsim = Requirement.variable("KUBEMESH_MESHSIM") else {
                throw LabError.unexpected("KUBEMESH_MESHSIM does not say where meshsim is: run scripts/test")
            }
            let host = try lab.host("simulator", on: lab.core)
            let runs = try (1...2).map { number in
                try host.start("sh", "-c", "exec '\(meshsim)' \(Self.scenario)", log: "meshsim-\(number)")
            }
            try wait(for: "the end of both runs", within: .seconds(600)) { runs.allSatisfy { !$0.isRunning } }
            print(runs[0].log)
            for run in runs { #expect(run.exitStatus == 0, "\(run.log)") }
            #expect(runs[0].log == runs[1].log, "a run repeats bit by bit from its seed")
            #expect(runs[0].log.contains("200, 200 talk"))
        }
    }
}
