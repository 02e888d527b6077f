import Arguments
import Testing

@testable import Console

/// What is generated from the tree, judged by the programs that read it.
@Suite struct GeneratedTests {
    let workspace: Workspace

    init() throws { workspace = try Workspace() }

    /// What bash offers for a line that ends where the cursor stands.
    private func bashOffers(_ words: String...) throws -> [String] {
        let quoted = words.map { "'\($0)'" }.joined(separator: " ")
        let script = """
            source <(\(workspace.path)/meshctl completion bash)
            COMP_WORDS=(\(quoted)) COMP_CWORD=\(words.count - 1)
            _meshctl
            printf '%s\\n' "${COMPREPLY[@]}"
            """
        let result = try Subprocess.run(["bash", "-c", script])
        #expect(result.exitCode == 0)
        return result.output.split(separator: "\n").map(String.init)
    }

    @Test func `bash completes commands, options and values`() throws {
        let commands = try bashOffers("meshctl", "")
        #expect(commands.contains("up") && commands.contains("wireguard") && commands.contains("--json"))
        #expect(!commands.contains("completion"))
        #expect(try bashOffers("meshctl", "st") == ["status"])
        #expect(try bashOffers("meshctl", "wireguard", "").contains("remove"))
        #expect(try bashOffers("meshctl", "wireguard", "add", "--q") == ["--qr"])
        #expect(try bashOffers("meshctl", "--json", "wireguard", "add", "phone", "--qr", "a") == ["auto", "always"])
        #expect(try bashOffers("meshctl", "wireguard", "add", "--qr", "=", "n") == ["never"])
        #expect(try bashOffers("meshctl", "wireguard", "add", "--qr", "=") == ["auto", "always", "never"])
        #expect(try bashOffers("meshctl", "ping", "--count", "") == [])
        #expect(try bashOffers("meshctl", "ping", "--s") == ["--socket"])
    }

    @Test func `zsh accepts its script and is offered every command`() throws {
        let script = """
            _arguments() { printf 'spec %s\\n' "$@"; state=command }
            _describe() { printf 'command %s\\n' "${commands[@]}" }
            source <(\(workspace.path)/meshctl completion zsh) 2>&1
            """
        let result = try Subprocess.run(["zsh", "-f", "-c", script])
        #expect(result.exitCode == 0, "\(result.output)")
        for command in Programs.meshctl.command.visibleCommands {
            #expect(result.output.contains("command \(command.name):"))
        }
        #expect(result.output.contains("spec --socket=[talk to the agent that listens here]:PATH:_files"))
    }

    @Test(arguments: ["meshctl", "meshd"])
    func `man renders the page without a warning`(_ page: String) throws {
        let script = "cd \(workspace.path); ./meshctl man \(page) > page && LC_ALL=C MANWIDTH=80 man --warnings -l page"
        let result = try Subprocess.run(["sh", "-c", script])
        #expect(result.exitCode == 0)
        #expect(!result.output.contains("warning:"), "\(result.output)")
        #expect(result.output.contains("EXIT STATUS"))
    }

    @Test func `docs have the reference as it is generated`() throws {
        let path = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let text = String(decoding: try HostFile.contents(of: "/\(path)/docs/meshctl.md"), as: UTF8.self)
        #expect(
            text == MarkdownReference.text(for: Programs.meshctl),
            "write it anew: meshctl man meshctl --markdown > docs/meshctl.md")
    }
}
