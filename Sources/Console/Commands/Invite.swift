import Arguments
import ControlAPI
import JSON
import Wire

extension Meshctl {
    func invite() throws(Failure) {
        var limits = Request.Invite()
        if let uses = invocation.number("uses") { limits.uses = uses }
        if let lifetime = invocation.seconds("expiry") { limits.lifetimeSeconds = lifetime }
        limits.namePattern = invocation.text("name-pattern")
        limits.mayRelay = !invocation.has("no-relay")
        limits.prefixPool = try prefixes("prefix-pool").last
        let invitation = try ask(.invite(limits)) {
            if case .invitation(let invitation) = $0 { invitation } else { nil }
        }
        output.show(invitation.json, InvitationText(style: output.style, now: now).lines(invitation))
    }
}
