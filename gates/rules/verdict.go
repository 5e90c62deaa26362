package rules

import (
	"strconv"
	"strings"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/gates"
)

// reasonOK is the reason code of a gate that judged and found nothing against the action.
const reasonOK = "ok"

// pass is the verdict of a concerned gate that allows. The text is a constant: the allow path formats nothing.
func pass(observed string) gates.Verdict {
	return gates.Verdict{Allow: true, Concerned: true, ReasonCode: reasonOK, Observed: observed}
}

// skip is the verdict of a gate that the action gives nothing to judge.
func skip() gates.Verdict {
	return gates.Verdict{Allow: true, ReasonCode: gates.ReasonNotConcerned}
}

// refuse is a refusal: a stable reason code, what is, what the rule asks for, and the smallest change that would do.
func refuse(reasonCode, observed, required, fix string) gates.Verdict {
	return gates.Verdict{Concerned: true, ReasonCode: reasonCode, Observed: observed, Required: required, Fix: fix}
}

// creating reports whether the action makes or imports the unit that it is about. The kind is the signed request
// itself.
func creating(f *gates.Facts) bool {
	return f.Unit.Concerned && !f.Unit.Exists &&
		(strings.HasSuffix(f.Kind, ".create") || strings.HasSuffix(f.Kind, ".import"))
}

// ownersExit reports whether the action is a step of an exit that the owner asked for. No policy stands in its way.
func ownersExit(f *gates.Facts) bool {
	return f.Exit.IsExit && f.Exit.ByOwner && !f.Exit.Refusing
}

// approved reports whether the unit's owner agrees: the action is signed by the owner, or a proposal that the owner
// granted is bound to its digest.
func approved(f *gates.Facts, granted bool) bool { return granted || f.Unit.ActorOwns }

func unitText(id nexus.ID) string {
	if id.IsZero() {
		return "no unit"
	}
	return "unit " + id.String()
}

func number(n int64) string { return strconv.FormatInt(n, 10) }

// maxQuoted bounds a quoted text in a verdict, in bytes: verdicts are stored for ever and shown in narrow columns.
const maxQuoted = 120

// quote makes text that somebody else chose safe to print: quoted, escaped, and cut when it is long.
func quote(s string) string {
	if len(s) > maxQuoted {
		return strconv.Quote(s[:maxQuoted]) + "..."
	}
	return strconv.Quote(s)
}

// quoteAll quotes the first 8 of a list.
func quoteAll(list []string) string {
	var b strings.Builder
	for i, s := range list {
		if i == 8 {
			b.WriteString(", ...")
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(quote(s))
	}
	return b.String()
}
