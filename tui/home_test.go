package tui

import (
	stdslices "slices"
	"strings"
	"testing"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/keymap"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
	"github.com/BobbyBlanco400/nexus-cos/tui/tuitest"
)

func pictureOf(role string) *wire.Overview {
	o := tuitest.Overview()
	o.Identity.Roles = []string{role}
	return o
}

// A creator's console opens at the home, an operator's at the overview; whoever pressed a key first stays where they are.
func TestTheHomeIsWhereACreatorBegins(t *testing.T) {
	t.Parallel()
	for role, want := range map[string]int{"creator": keymap.HomeNumber, "operator": 0} {
		d := drive(t, theme.Options{}, 80, 24, nil)
		d.show1(pictureOf(role))
		if d.model.view != want {
			t.Errorf("a console of role %s opens in view %d, want %d", role, d.model.view, want)
		}
	}
	d := drive(t, theme.Options{}, 80, 24, nil)
	d.press("6")
	d.show1(pictureOf("creator"))
	if d.model.view != 6 {
		t.Errorf("a key was pressed before the first picture, and the view is %d", d.model.view)
	}
	d = drive(t, theme.Options{}, 80, 24, nil)
	d.show1(pictureOf("creator"))
	if text := plain(d.screen()); !strings.Contains(text, "Home of aria") || !strings.Contains(text, "1 to decide, 1 to read") {
		t.Errorf("the home says\n%s", text)
	}
}

// Each key of the home runs the verb of the command line for the row under the cursor, and only there.
func TestKeysOfTheHomeRunTheirVerbs(t *testing.T) {
	t.Parallel()
	c := &homeCommands{}
	d := drive(t, theme.Options{}, 120, 36, func(o *Options) { o.Commands = c })
	d.show1(pictureOf("creator"))
	d.screen()
	proposal := d.home.Proposals[0].ID
	d.press("o") // on a proposal there is no notice
	d.press("a", "y")
	d.press("d", "y")
	d.press("j", "a", "o")
	d.press("j", "t", "esc")
	label := d.home.Units[0].Label
	want := []string{"approvals grant " + proposal, "approvals refuse " + proposal, "notices read 4",
		"revenue statement --unit " + label + " --month 2026-03 --draft"}
	if !stdslices.Equal(ranLines(c.ran), want) {
		t.Errorf("ran %q, want %q", ranLines(c.ran), want)
	}
	d.press("X")
	if got := d.line.String(); got != "imvu exit --imvu-id "+label {
		t.Errorf("the exit key begins %q", got)
	}
	d.press("esc", "e")
	if got := d.line.String(); !strings.HasPrefix(got, "imvu scale "+label+" ") {
		t.Errorf("the scale key begins %q", got)
	}
}

// What the home shows holds nothing of others, whatever the reader may see elsewhere.
func TestTheHomeHoldsNothingOfOthers(t *testing.T) {
	t.Parallel()
	h, err := tuitest.NewBackend(nil).Home(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	own := map[string]bool{}
	for _, u := range h.Units {
		own[u.ID] = true
		if u.Owner != h.OwnerKey {
			t.Errorf("%s is of %s", u.Label, u.Owner)
		}
	}
	if len(own) == 0 || len(own) == len(tuitest.Overview().Units) || len(h.Money) == 0 || len(h.Proposals) != 1 {
		t.Fatalf("%d units of %d, %d rows of money, %d proposals: nothing was left out, or all", len(own),
			len(tuitest.Overview().Units), len(h.Money), len(h.Proposals))
	}
	for _, r := range h.Money {
		if !own[r.UnitID] {
			t.Errorf("money of %s", r.Unit)
		}
	}
	for _, s := range h.Slices {
		if !own[s.Unit] {
			t.Errorf("slice of %s", s.Label)
		}
	}
}

// homeCommands knows the verbs of the home.
type homeCommands struct{ fakeCommands }

func (f *homeCommands) Verbs() []Verb {
	return append(f.fakeCommands.Verbs(), Verb{Path: "approvals grant", Danger: keymap.Disruptive},
		Verb{Path: "approvals refuse", Danger: keymap.Disruptive},
		Verb{Path: "notices read", Danger: keymap.Reversible}, Verb{Path: "revenue statement", Danger: keymap.Disruptive})
}

// ranLines takes off what the fake notes beside each line.
func ranLines(ran []string) []string {
	var out []string
	for _, r := range ran {
		line, _, _ := strings.Cut(r, " (read-only")
		out = append(out, line)
	}
	return out
}
