package tui

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
	"github.com/BobbyBlanco400/nexus-cos/tui/tuitest"
)

// manyUnits is a console on a node of twenty thousand units, and its clock.
func manyUnits(t *testing.T) (d *driven, o *wire.Overview, now *time.Time) {
	t.Helper()
	at := tuitest.Time()
	now = &at
	d = drive(t, theme.Options{}, 80, 24, func(o *Options) { o.Now = func() time.Time { return *now } })
	o, units, tallies := tuitest.Many(20_000)
	d.backend.HoldWhole(units, tallies)
	return d, o, now
}

func asked(d *driven) (n int) {
	for _, c := range d.backend.Calls() {
		if c == "units" {
			n++
		}
	}
	return n
}

// All units are there to scroll and to filter where they are looked through, though a picture carries a thousand; elsewhere nobody asks.
func TestTwentyThousandUnitsAreLookedThrough(t *testing.T) {
	t.Parallel()
	d, o, _ := manyUnits(t)
	d.show1(o)
	d.press("2", "8")
	if n := asked(d); n != 0 {
		t.Fatalf("asked %d times for what nobody looks at", n)
	}
	d.press("6")
	wants(t, d, "20,000 in all", "10,000 dormant")
	d.press("G")
	wants(t, d, "IMVU-20000", "Film 19999")
	d.press("/", "film 1999")
	wants(t, d, "(10 shown)", "IMVU-19991")
	d.press("enter", "enter")
	wants(t, d, "Unit IMVU-19991")
	d.press("esc", "esc", "4")
	d.press("G")
	wants(t, d, "20,000 tallies", "20,000.00")
	d.press("g", "enter")
	d.screen()
	d.press("G")
	wants(t, d, "IMVU-20000")
	if n := asked(d); n != 1 {
		t.Errorf("asked %d times while nothing changed", n)
	}
}

// The list is asked for again when the log has grown, not more often than it says, and not while the node is silent about it; what pictures
// carry is newer than that.
func TestWholeListsAreRenewed(t *testing.T) {
	t.Parallel()
	d, o, now := manyUnits(t)
	d.show1(o)
	d.press("6")
	next := func(size uint64, after time.Duration, change func(*wire.Overview)) {
		*now = now.Add(after)
		p := *o
		p.Ledger.Size, p.Units = size, append([]wire.UnitRow(nil), o.Units...)
		if change != nil {
			change(&p)
		}
		d.show1(&p)
	}
	next(o.Ledger.Size, time.Hour, nil)
	if n := asked(d); n != 1 {
		t.Errorf("asked %d times, though the log is as it was", n)
	}
	next(o.Ledger.Size+1, wholeEvery-time.Second, nil)
	if n := asked(d); n != 2 {
		t.Errorf("asked %d times after an hour of silence and one entry", n)
	}
	next(o.Ledger.Size+2, wholeEvery-time.Second, func(p *wire.Overview) { p.Units[2].Status, p.Units[2].Dormant = "suspended", false })
	wants(t, d, "suspended", "20,000 in all", "9,999 dormant")
	if n := asked(d); n != 2 {
		t.Errorf("asked %d times within %s", n, wholeEvery)
	}
	next(o.Ledger.Size+2, time.Second, nil)
	if n := asked(d); n != 3 {
		t.Errorf("asked %d times after %s", n, wholeEvery)
	}
}

// Until the whole list is there, and when it does not come, the screen says that it shows the beginning alone.
func TestTheBeginningIsNotTakenForAll(t *testing.T) {
	t.Parallel()
	d, o, _ := manyUnits(t)
	d.backend.Refuse(errors.New("read units: unavailable"))
	d.show1(o)
	d.press("6")
	wants(t, d, "the first 1,000, asking for the others", "20,000 in all")
	if got := onOneLine(d); !strings.Contains(got, "not all units are shown: read units") {
		t.Errorf("%s", d.screen())
	}
}

// A filter works with each key. What is no expression yet leaves the rows alone, and esc brings back what was before.
func TestFilterWorksAsItIsTyped(t *testing.T) {
	t.Parallel()
	d := drive(t, theme.Options{}, 80, 24, nil)
	d.show1(calm())
	d.press("6", "/", "kilo")
	wants(t, d, "/kilo (1 shown)")
	d.press("(")
	wants(t, d, "/kilo (1 shown)")
	d.press("esc")
	if got := d.screen(); strings.Contains(got, "shown)") {
		t.Errorf("esc left the filter:\n%s", got)
	}
	d.press("/", "kilo", "enter", "/", "ctrl+u", "aria", "esc")
	wants(t, d, "/kilo (1 shown)")
	d.press("/", "ctrl+u", "enter")
	if got := d.screen(); strings.Contains(got, "shown)") {
		t.Errorf("an empty filter filters:\n%s", got)
	}
}

// BenchmarkManyUnits is one key among twenty thousand units, with the frame that it leads to: a row down, a letter of a filter.
func BenchmarkManyUnits(b *testing.B) {
	for name, keys := range map[string][]string{"scroll": {"down"}, "filter": {"9", "backspace"}} {
		b.Run(name, func(b *testing.B) {
			d := drive(b, theme.Options{}, 80, 24, nil)
			o, units, tallies := tuitest.Many(20_000)
			d.backend.HoldWhole(units, tallies)
			d.show1(o)
			d.press("6")
			if name == "filter" {
				d.press("/", "film 1")
			}
			for i := 0; b.Loop(); i++ {
				d.press(keys[i%len(keys)])
				_ = d.View()
			}
		})
	}
}

// A node whose pictures carry all that it has is never asked for more.
func TestFewUnitsAreNotAskedFor(t *testing.T) {
	t.Parallel()
	d := drive(t, theme.Options{}, 80, 24, nil)
	d.show1(calm())
	d.press("6", "4", "7")
	if n := asked(d); n != 0 {
		t.Errorf("asked %d times", n)
	}
}
