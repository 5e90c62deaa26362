package state_test

import (
	"fmt"
	"strings"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/gates"
)

// raised makes a world whose rules are of a level.
func raised(t *testing.T, level uint32) *world {
	t.Helper()
	w := newWorld(t)
	for w.a.Rules < level {
		w.must(w.node, state.KindClusterRules, nexus.ID{}, state.RulesRaise{Level: w.a.Rules + 1})
	}
	return w
}

// Nobody makes a unit in the name of somebody who is known here and did not sign, but the platform's side, and then the owner is told. Before the
// level everything is as it was.
func TestAUnitIsMadeByItsOwnerOrThePlatformsSide(t *testing.T) {
	t.Parallel()
	ada, bob := signer(41), signer(42)
	known := func(level uint32) *world {
		w := raised(t, level)
		w.must(w.operator, state.KindIdentityIssue, nexus.ID{}, state.IdentityIssue{Name: "ada", Key: ada.Public(), Role: uint8(gates.RoleCreator)})
		w.must(w.operator, state.KindIdentityIssue, nexus.ID{}, state.IdentityIssue{Name: "bob", Key: bob.Public(), Role: uint8(gates.RoleCreator)})
		return w
	}
	w := known(state.RulesNames)
	for _, kind := range []string{state.KindIMVUCreate, state.KindPlatformCreate} {
		out := w.do(ada, kind, nexus.ID{}, state.UnitCreate{Name: "in bob's name", OwnerName: "bob"})
		if out.Receipt.Allowed || len(out.Receipt.Gates) != 1 || out.Receipt.Gates[0] != 1 {
			t.Errorf("%s by another creator: %+v", kind, out.Receipt)
		}
		if !strings.Contains(out.Receipt.Fix, "let the owner make it") {
			t.Errorf("the way out is said to be %q", out.Receipt.Fix)
		}
	}
	w.must(ada, state.KindIMVUCreate, nexus.ID{}, state.UnitCreate{Name: "mine", OwnerName: "ada"})
	w.must(ada, state.KindIMVUCreate, nexus.ID{}, state.UnitCreate{Name: "new friend's", OwnerName: "carl", OwnerKey: signer(43).Public()})
	before := len(w.a.InboxOf(bob.Public()).List)
	w.must(w.operator, state.KindIMVUCreate, nexus.ID{}, state.UnitCreate{Name: "a present", OwnerName: "bob"})
	box := w.a.InboxOf(bob.Public()).List
	if len(box) != before+1 || !strings.Contains(box[before].Text, "was made for you by") || !strings.Contains(box[before].Text, "nexus imvu exit") {
		t.Errorf("the owner was told %+v", box)
	}
	w = known(state.RulesMoney)
	w.must(ada, state.KindIMVUCreate, nexus.ID{}, state.UnitCreate{Name: "in bob's name", OwnerName: "bob"})
	if n := len(w.a.InboxOf(bob.Public()).List); n != 0 {
		t.Errorf("a log of a lower level replays to %d notices", n)
	}
}

// Names that people take for the platform's, its mail roles or another unit's label are refused; what a bulk import brings gets another slug.
func TestReservedNames(t *testing.T) {
	t.Parallel()
	ada := signer(41)
	w := raised(t, state.RulesNames)
	w.must(w.operator, state.KindIdentityIssue, nexus.ID{}, state.IdentityIssue{Name: "ada", Key: ada.Public(), Role: uint8(gates.RoleCreator)})
	for _, name := range []string{"www", "Postmaster", "  admin ", "root", "mail", "Hostmaster!", "MTA-STS", "Nexus COS", "IMVU-002", "plat 7", "stage"} {
		invalidFor(t, w.do(ada, state.KindIMVUCreate, nexus.ID{}, state.UnitCreate{Name: strings.TrimSpace(name)}), nexus.CodeConflict, "reserved")
	}
	invalidFor(t, w.do(ada, state.KindIMVUCreate, nexus.ID{}, state.UnitCreate{Name: "harmless", Slug: "smtp"}), nexus.CodeConflict, "reserved")
	for _, name := range []string{"www of mine", "Roots", "Mailbox Heroes", "IMVU-002x", "\u6df1\u591c"} {
		w.must(ada, state.KindIMVUCreate, nexus.ID{}, state.UnitCreate{Name: name})
	}
	w.must(w.operator, state.KindIMVUCreate, nexus.ID{}, state.UnitCreate{Name: "Support", OwnerName: "ada", Dormant: true})
	if u, ok := w.a.FindUnit("support-2"); !ok || u.Name != "Support" {
		t.Errorf("of a bulk import: %+v", u)
	}
	impostor := state.UnitCreate{Name: "x", OwnerName: "Support", OwnerKey: signer(44).Public()}
	invalidFor(t, w.do(ada, state.KindIMVUCreate, nexus.ID{}, impostor), nexus.CodeConflict, "reserved")
	w.must(w.operator, state.KindIdentityIssue, nexus.ID{}, state.IdentityIssue{Name: "support", Key: signer(45).Public(), Role: uint8(gates.RoleCreator)})
	w = raised(t, state.RulesMoney)
	w.must(w.operator, state.KindIMVUCreate, nexus.ID{}, state.UnitCreate{Name: "www"})
	if _, ok := w.a.FindUnit("www"); !ok {
		t.Error("a log of a lower level replays to another slug")
	}
}

// A number after the word of a label makes a label, which is reserved too: whoever named a unit so would have the machine look for a free slug for ever, on
// every replica and at every start.
func TestWordsOfLabelsHaveAnEnd(t *testing.T) {
	t.Parallel()
	w := raised(t, state.RulesNames)
	for _, word := range []string{"imvu", "plat", "chan", "probe", "IMVU", "imvu-7", "chan-007", "www"} {
		for _, body := range []state.UnitCreate{{Name: word}, {Name: "x", Slug: word}} {
			if out := w.do(w.operator, state.KindIMVUCreate, nexus.ID{}, body); out.Err == nil && out.Receipt.Allowed {
				t.Errorf("%+v is made", body)
			}
		}
	}
	taken := [][2]string{
		{"imvu", "imvu-n2"}, {"imvu", "imvu-n3"}, {"plat", "plat-n2"}, {"chan", "chan-n2"}, {"probe", "probe-n2"}, {"chan-007", "chan-007-2"},
	}
	for i, c := range taken {
		w.must(w.operator, state.KindIMVUCreate, nexus.ID{}, state.UnitCreate{Name: fmt.Sprint("Imported ", i), Slug: c[0], Dormant: true})
		if _, ok := w.a.FindUnit(c[1]); !ok {
			t.Errorf("no unit has the slug %s", c[1])
		}
	}
	w.swap()
	w.check()
}
