package tui

import (
	"strings"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
	"github.com/BobbyBlanco400/nexus-cos/tui/tuitest"
)

// calm is a picture without alerts, whose first phase is degraded and all others passed.
func calm() *wire.Overview {
	o := tuitest.Overview()
	o.Alerts, o.Launch.Status = nil, wire.StatusDegraded
	for i := range o.Launch.Phases {
		o.Launch.Phases[i].Status = wire.StatusPassed
	}
	o.Launch.Phases[0].Status = wire.StatusDegraded
	return o
}

// What to do next is about what the keys do now: the answers of a question, the line being typed, the phase under the cursor or the way to it.
func TestNextIsAboutWhatKeysDoNow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		keys []string
		want string
	}{
		{nil, "phase 1 is degraded: enter says why"},
		{[]string{"tab"}, "phase 1 is degraded: 1 and enter on it says why"},
		{[]string{"down"}, "phase 1 is degraded: 1 and enter on it says why"},
		{[]string{"6", "S"}, "y does it; any other key leaves everything as it is"},
		{[]string{":", "imvu exit IMVU-003", "enter"}, "type the name, wait 3 s, then enter"},
		{[]string{":"}, "up brings earlier lines back, tab completes"},
		{[]string{"6", "/"}, "the filter works as you type; enter keeps it"},
		{[]string{"L", "/"}, "enter finds it; n and N go through the matches"},
		{[]string{"q"}, "losing the line never stops the node"},
	} {
		d := drive(t, theme.Options{}, 80, 24, func(o *Options) { o.Launching = true })
		d.show1(calm())
		d.press(c.keys...)
		if got := onOneLine(d); !strings.Contains(got, "next: "+c.want) {
			t.Errorf("after %q:\n%s", c.keys, d.screen())
		}
	}
}

// The line of a command is edited as in a shell.
func TestEditorTakesWordsAndTheRestAway(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		keys []string
		want string
	}{
		{[]string{"imvu  scale 深夜", "ctrl+w"}, "imvu  scale "},
		{[]string{"imvu scale", "space", "space", "ctrl+w"}, "imvu "},
		{[]string{"ctrl+w", "ctrl+k", "a"}, "a"},
		{[]string{"one two", "left", "left", "left", "ctrl+k"}, "one "},
		{[]string{"one two", "left", "ctrl+w"}, "one o"},
	} {
		d := drive(t, theme.Options{}, 80, 24, nil)
		d.show1(calm())
		d.press(append([]string{":"}, c.keys...)...)
		if got := d.line.String(); got != c.want {
			t.Errorf("%q gives %q, want %q", c.keys, got, c.want)
		}
	}
}

// A mark is on one row, not on those of other panels that have the same number.
func TestMarkedPhaseMarksNoGate(t *testing.T) {
	t.Parallel()
	d := drive(t, theme.Options{}, 80, 24, nil)
	d.show1(calm())
	d.press("1", "space")
	wants(t, d, "◆  ▲ 01 preflight")
	d.press("3")
	if got := d.screen(); strings.Contains(got, "◆") {
		t.Errorf("marked among the gates:\n%s", got)
	}
}

// What was earned is on the home of the smallest screen, however much there is to decide and to read.
func TestMoneyStaysOnTheSmallestHome(t *testing.T) {
	t.Parallel()
	d := drive(t, theme.Options{}, 40, 8, nil)
	d.show1(calm())
	d.press("H")
	if d.home == nil || len(d.home.Totals) == 0 || len(d.home.Notices) == 0 {
		t.Fatalf("nothing to show: %+v", d.home)
	}
	all := d.home.Totals[0]
	wants(t, d, nexus.Money{Minor: all.All.Creator, Currency: all.Currency}.String(), "decide")
}
