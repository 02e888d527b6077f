import Arguments

/// Hidden commands with which the package is made.
extension Meshctl {
    func showCompletion() {
        let program = Programs.meshctl.command
        let isZsh = invocation.argument("SHELL") == "zsh"
        show(isZsh ? ZshCompletion.text(for: program) : BashCompletion.text(for: program))
    }

    func showManualPage() {
        let program = invocation.argument("PAGE") == "meshd" ? Programs.meshd : Programs.meshctl
        let isMarkdown = invocation.has("markdown")
        show(
            isMarkdown ? MarkdownReference.text(for: program) : ManualPage.text(for: program, version: Programs.version)
        )
    }

    private func show(_ text: String) {
        output.print([String(text.dropLast())])
    }
}
