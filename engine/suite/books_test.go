package suite

import (
	"context"
	"strings"
	"testing"

	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// TestScrubRecomputesTheBooks alters what the state holds in memory, each time so that the figures agree with one another: only
// adding up the stored entries again finds it.
func TestScrubRecomputesTheBooks(t *testing.T) {
	r := newRig(t)
	if rep := r.run(CreatorSplits, nil); rep.Status != "passed" {
		t.Fatalf("%+v", rep)
	}
	findings := func() string {
		t.Helper()
		rep, err := r.env.Audit(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		for _, f := range rep.Findings {
			b.WriteString(f.Unit + " " + f.Where + ": " + f.What + "; " + f.Required + "; " + f.Evidence + "\n")
		}
		return b.String()
	}
	// The reconciler may be a step behind the ledger just after the suite; that is the edge's finding, not the books'.
	books := func() string {
		var out []string
		for _, line := range strings.Split(findings(), "\n") {
			for _, word := range []string{" gross ", " posted ", " completeness: ", " map of units: ", " entries: "} {
				if strings.Contains(line, word) {
					out = append(out, line)
					break
				}
			}
		}
		return strings.Join(out, "\n")
	}
	if got := books(); got != "" {
		t.Fatalf("findings on an honest ledger:\n%s", got)
	}
	for _, x := range alterations(t) {
		var undo func()
		r.eng.View(func(st *state.State) { undo = x.change(st) })
		if got := books(); !strings.Contains(got, x.word) || !strings.Contains(got, "read one by one") {
			t.Errorf("%s: not found: %q", x.name, got)
		}
		r.eng.View(func(*state.State) { undo() })
		if got := books(); got != "" {
			t.Errorf("%s: put right, and still found: %s", x.name, got)
		}
	}
}

// alteration changes the state in memory, and gives what undoes it.
type alteration struct {
	name, word string
	change     func(*state.State) func()
}

func alterations(t *testing.T) []alteration {
	account := func(st *state.State) *state.Account {
		for _, a := range st.SortedAccounts() {
			if a.Gross > 0 {
				return a
			}
		}
		t.Fatal("the suite left no revenue")
		return nil
	}
	return []alteration{
		{"a hundred units of money more, split by the rule", " gross ", func(st *state.State) func() {
			a := account(st)
			old, percent := *a, int64(st.Units[a.Unit].Percent)
			a.Gross, a.Creator, a.Platform = a.Gross+100, a.Creator+percent, a.Platform+100-percent
			return func() { *a = old }
		}},
		{"one minor unit from the creator to the platform", " posted ", func(st *state.State) func() {
			a := account(st)
			old := *a
			a.Creator, a.Platform = a.Creator-1, a.Platform+1
			return func() { *a = old }
		}},
		{"an event forgotten", " gross ", func(st *state.State) func() {
			a := account(st)
			old := *a
			a.Events--
			return func() { *a = old }
		}},
		{"another head for a unit's chain", "completeness: ", func(st *state.State) func() {
			old := st.Chain
			image := old.Snapshot()
			for i := range image.Units {
				if image.Units[i].Unit == account(st).Unit {
					image.Units[i].Head[0] ^= 1
				}
			}
			forged, err := ledger.RestoreChain(image)
			if err != nil {
				t.Fatal(err)
			}
			st.Chain = forged
			return func() { st.Chain = old }
		}},
	}
}
