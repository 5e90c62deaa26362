package tui

import (
	stdslices "slices"
	"strings"
	"testing"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
	"github.com/BobbyBlanco400/nexus-cos/tui/tuitest"
)

// Saved views are listed and chosen from, no name of one is a word of the command, and what two consoles of one user save is kept by both.
func TestSavedViewsAreListedAndShared(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open := func() *driven { d, _ := withCommands(t, func(o *Options) { o.StateDir = dir }); return d }
	one, two := open(), open()
	one.press(":", "view list", "enter")
	wants(t, one, "no view is saved; :view save NAME keeps this one")
	for _, word := range []string{"save", "delete", "list"} {
		one.press(":", "view save "+word, "enter")
		wants(t, one, word+" is a word of the command itself")
	}
	one.press("6", ":", "view save first", "enter")
	two.press("8", "/", "deny", "enter", ":", "view save second", "enter")
	wants(t, two, "view second is saved; :view second comes back to it")
	one.press("0", ":", "view list", "enter")
	wants(t, one, "view first", "view second", "saved: 8 audit deny")
	one.press("esc", ":", "view second", "enter")
	wants(t, one, "/deny")
	two.press(":", "view delete first", "enter", ":", "view first", "enter")
	wants(t, two, "no view is called first; :view list has those that are saved")
	if kept := loadViews(dir); len(kept) != 1 || kept[0].Name != "second" {
		t.Errorf("kept is %+v", kept)
	}
}

// Of several marked units an act takes those that it fits, and says which it leaves as they are; ceilings are of one unit at a time.
func TestMarkedUnitsThatAnActDoesNotFit(t *testing.T) {
	t.Parallel()
	d, c := withCommands(t, nil)
	o := tuitest.Overview()
	o.Units[0].Status = "suspended"
	o.Units[1].Status, o.Units[2].Status = "active", "suspended"
	d.show1(o)
	d.press("6", "space", "space", "space", "e")
	wants(t, d, "3 units are marked, and each has ceilings of its own")
	d.press("S")
	if got := ranLines(c.ran); len(got) != 2 || !stdslices.Contains(got, "imvu resume "+o.Units[0].Label) ||
		!stdslices.Contains(got, "imvu resume "+o.Units[2].Label) {
		t.Errorf("ran %q", got)
	}
	said := ""
	for _, n := range d.model.notes {
		if strings.Contains(n.Text, "left as they are") {
			said = n.Text
		}
	}
	if !strings.Contains(said, "resume is for 2 of the 3 marked units; left as they are: "+o.Units[1].Label) {
		t.Errorf("said %q", said)
	}
}

// That the node is of another version is said once, and again when it becomes a third; of the same version nothing is said.
func TestAnotherVersionIsSaid(t *testing.T) {
	t.Parallel()
	d := drive(t, theme.Options{}, 120, 36, func(o *Options) { o.Version = "1.2.0" })
	count := func() (n int) {
		for _, x := range d.model.notes {
			if strings.Contains(x.Text, "this console is version 1.2.0") {
				n++
			}
		}
		return n
	}
	for i, step := range []struct {
		version string
		said    int
	}{{"1.2.0", 0}, {"1.3.0", 1}, {"1.3.0", 1}, {"1.4.0", 2}, {"", 2}} {
		o := pictureOf("operator")
		o.Node.Version = step.version
		d.show1(o)
		if got := count(); got != step.said {
			t.Errorf("step %d, version %q: said %d times", i, step.version, got)
		}
	}
}

// An owner of twenty thousand units has a home that scrolls, and units there can be acted on: rows are laid out once for each answer, and what the
// picture does not carry is asked for.
func TestAHomeOfTwentyThousandUnits(t *testing.T) {
	t.Parallel()
	d, o, _ := manyUnits(t)
	_, units, tallies := tuitest.Many(20_000)
	o.Identity.Roles = []string{"creator"}
	d.show1(o)
	h := wire.Home{Owner: "aria", Units: units, Tallies: tallies, Complete: true}
	for i := range tallies {
		h.Money = append(h.Money, wire.MoneyRow{Unit: tallies[i].Unit, UnitID: tallies[i].UnitID, Currency: tallies[i].Currency, Current: true,
			Earned: tallies[i].Creator})
	}
	d.send(homeMsg{home: h})
	rows := &d.model.homeRows()[0]
	d.press("G")
	wants(t, d, "Home of aria 20,000 units", "IMVU-20000")
	d.press("k", "j", "g", "/", "imvu-19991")
	wants(t, d, "IMVU-19991")
	if &d.model.homeRows()[0] != rows {
		t.Error("the rows were laid out again, and nothing had changed")
	}
	if n := asked(d); n != 1 {
		t.Errorf("the units beyond the picture were asked for %d times", n)
	}
	d.press("enter", "e")
	if got := d.line.String(); !strings.HasPrefix(got, "imvu scale IMVU-19991 ") {
		t.Errorf("the scale key begins %q", got)
	}
}
