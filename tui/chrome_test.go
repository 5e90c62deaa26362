package tui

import (
	"errors"
	"strings"
	"testing"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/keymap"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
	"github.com/BobbyBlanco400/nexus-cos/tui/tuitest"
)

// A lost node is not live in any corner of the screen, paused or not, and is again when it answers.
func TestALostNodeIsNowhereLive(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		keys []string
		lost int // in the header, and in each panel that shows a state of now
	}{{nil, 4}, {[]string{"8"}, 2}, {[]string{"p"}, 4}, {[]string{"2"}, 2}, {[]string{"5"}, 2}} {
		keys := c.keys
		d := drive(t, theme.Options{}, 120, 36, nil)
		o := tuitest.Overview()
		d.show1(o)
		d.press(keys...)
		d.screen()
		d.send(pictureMsg{picture: picture{overview: o, lost: true, lostAt: tuitest.Time(), cause: errors.New("EOF")}})
		if got := d.screen(); strings.Contains(got, "LIVE") || strings.Count(got, "LOST") != c.lost {
			t.Errorf("after %q the lost node shows:\n%s", keys, got)
		}
		d.send(pictureMsg{picture: picture{overview: o}})
		if got := d.screen(); strings.Contains(got, "LOST") {
			t.Errorf("after %q the node that is back shows:\n%s", keys, got)
		}
	}
}

// What an act came to is seen at 80 columns: that it is done, and whether u undoes it, stand before what may be cut.
func TestDoneIsReadAtEightyColumns(t *testing.T) {
	t.Parallel()
	words := strings.Fields("imvu scale IMVU-003 --cpu 3 --memory 8192MiB --storage 20480MiB --processes 512 --reason evening")
	for want, undo := range map[string][]string{"done, u undoes it: nexus imvu scale IMVU-003": words, "done, for good: nexus imvu scale": nil} {
		d := drive(t, theme.Options{}, 80, 24, nil)
		d.show1(tuitest.Overview())
		d.send(outcomeMsg{words: words, verb: Verb{Path: "imvu scale", Danger: keymap.Reversible}, Outcome: Outcome{Err: "decision 57\n", Undo: undo}})
		wants(t, d, want)
	}
}

// The way to the first revenue is shown to whoever gate 6 lets report it: the key that a source is bound to, with the source's name.
func TestFirstRevenueIsForItsSource(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		reports []string
		want    string
	}{{nil, "who may report it: :revenue sources"}, {[]string{"operator"}, "--currency USD"}, {[]string{"shop"}, "--currency USD --source shop"}} {
		d := drive(t, theme.Options{}, 160, 48, nil)
		o := tuitest.Overview()
		o.Tallies, o.Alerts, o.Identity.Reports, o.Launch.Status = nil, nil, c.reports, wire.StatusPassed
		o.Units[0].Kind, o.Units[0].Owner = "imvu", "somebody else"
		d.show1(o)
		next := d.nextStep()
		if !strings.HasSuffix(next, c.want) || strings.HasPrefix(next, "first revenue") != (len(c.reports) > 0) {
			t.Errorf("who reports through %q is told %q", c.reports, next)
		}
	}
}
