import ControlAPI
import Wire

/// What `meshctl invite` prints, and `meshctl up` on the first host.
struct InvitationText {
    let style: Style
    let now: Timestamp

    func lines(_ invitation: Invitation) -> [String] {
        var limits = "It lets \(invitation.uses == 1 ? "1 node" : "\(invitation.uses) nodes") join until "
        limits += Units.moment(invitation.expiry, now: now)
        if let pattern = invitation.namePattern { limits += ", named \(style(.plain, pattern))" }
        if let pool = invitation.prefixPool { limits += ", with prefixes of \(pool)" }
        if !invitation.mayRelay { limits += ", not as relays" }
        return [
            "On another host, run:", "", "  sudo meshctl up \(style(.bold, invitation.token))", "",
            limits + ".", "Whoever has the token can join: hand it over as you would a password.",
        ]
    }
}
