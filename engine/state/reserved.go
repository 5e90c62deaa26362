package state

import (
	"fmt"
	"strings"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/gates"
)

// reserved says for what a word stands that people and programs take for more than the name of one creator or unit: as a host (www, mail),
// as a mail role (RFC 2142, and the five that authorities ask before they certify a domain), as the platform itself. Lower case.
var reserved = func() map[string]string {
	out := map[string]string{}
	for _, list := range [][2]string{
		{"mail role (RFC 2142)", "abuse admin administrator hostmaster info marketing mailer-daemon news noc noreply no-reply postmaster root sales security " +
			"ssl-admin support trouble usenet uucp webmaster ftp www"},
		{"host that programs look for", "api autoconfig autodiscover cdn dns imap localhost mail mta-sts mx ns ns1 ns2 pop pop3 smtp stage static status " +
			"submission wpad"},
		{"word of the platform", "billing chan channel constitution gateway genesis imvu ledger moderator nexus nexus-cos node official " +
			"operator ott payout payouts plat platform probe staff stream system"},
	} {
		for _, word := range strings.Fields(list[1]) {
			out[word] = list[0]
		}
	}
	return out
}()

// reservedFor says why a word may not be given away, "" when it may: a word of the list, or the form of a label, which commands take before a name.
func reservedFor(word string) string {
	word = strings.ToLower(word)
	if what := reserved[word]; what != "" {
		return what
	}
	if isLabel(word) {
		return "label of a unit"
	}
	return ""
}

// isLabel reports whether a word, lower case, has the form of a unit's label.
func isLabel(word string) bool {
	kind, number, ok := strings.Cut(word, "-")
	return ok && number != "" && strings.Trim(number, "0123456789") == "" && (kind == "imvu" || kind == "plat" || kind == "chan" || kind == "probe")
}

// checkUnitName refuses a reserved name. A unit of a bulk import, whose names others chose, gets another slug instead (freeSlug), and so does
// one that comes from elsewhere: a name keeps nobody from coming.
func (st *step) checkUnitName(b *UnitCreate, u *Unit) {
	if st.s.Rules < RulesNames || b.Dormant || u.Kind == nexus.KindProbe {
		return
	}
	subject, word := fmt.Sprintf("name %q", b.Name), nexus.Slug(b.Name)
	if b.Slug != "" {
		subject, word = fmt.Sprintf("slug %q", b.Slug), b.Slug
	}
	if why := reservedFor(word); why != "" {
		st.fail(nexus.CodeConflict, subject, "choose another name, "+word+"-show for one", "is reserved: %q is a %s", word, why)
	}
}

// checkIdentityName refuses a creator a name that people would take for the platform's. Its side gives names to whom it knows.
func (st *step) checkIdentityName(name string) {
	role := st.facts.Identity.Role
	if st.s.Rules < RulesNames || st.platformSide() || !st.s.fourth() && role != gates.RoleCreator && role != gates.RoleNone {
		return
	}
	why := reservedFor(name)
	if st.s.fourth() {
		why = orDefault(why, likeIssued(name))
	}
	if why != "" {
		st.fail(nexus.CodeConflict, fmt.Sprintf("identity name %q", name), "choose another name, or have an operator issue it", "is reserved: a %s", why)
	}
}

// checkOwnerSigns holds whoever makes a unit for somebody known here to being that identity, or of the platform's side: a unit is its owner's
// liability and stands in their registry for ever. An identity that is issued in the same act has nobody else yet. Gate 1 judges it.
func (st *step) checkOwnerSigns(u *Unit, issued bool) {
	if st.s.Rules < RulesNames || issued || u.Owner == st.cmd.Action.Actor || st.platformSide() {
		return
	}
	if !st.s.fourth() && st.facts.Identity.Role != gates.RoleCreator { // a source is no creator, and was let through
		return
	}
	st.facts.Identity.MayIssue = false
}

// tellOwner says to an owner what was made for them by somebody else.
func (st *step) tellOwner(u *Unit, issued bool) {
	if st.s.Rules < RulesNames || issued || u.Owner == st.cmd.Action.Actor || u.Dormant || u.Kind == nexus.KindProbe || u.Owner == st.s.Platform {
		return
	}
	st.noticeTo(u.Owner, u.ID, "%s %q was made for you by %s and is yours; if you do not want it, leave with it (nexus imvu exit --imvu-id %s)", u.Label,
		u.Name, st.s.nameOf(st.cmd.Action.Actor), u.Label)
}
