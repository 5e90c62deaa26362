package control

import (
	"errors"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
)

// How far a bundle got is told while it is sent, and of one that broke off, why: without the node's own inner words.
func TestLeavingTellsHowFarABundleGot(t *testing.T) {
	t.Parallel()
	var l leaving
	unit, sent := nexus.ID{1}, int64(0)
	now := time.Unix(1_700_000_000, 0)
	if l.of(unit) != nil {
		t.Error("there is a record of nothing")
	}
	told, ended := l.begin(unit, func() int64 { return sent }, func() time.Time { return now })
	told(1, 4, "README.txt", 0)
	if p := l.of(unit); p.Percent != 0 || p.Rate != 0 || p.File != "README.txt" || !p.Ended.IsZero() {
		t.Errorf("at the first: %+v", p)
	}
	now, sent = now.Add(3*time.Second), 300
	told(4, 4, "MANIFEST.sig", 75)
	if p := l.of(unit); p.Percent != 75 || p.Rate != 100 || p.Bytes != 300 || p.Part != 4 || p.Of != 4 || p.LeftMs != 1000 {
		t.Errorf("at the last: %+v", p)
	}
	ended(nil)
	if p := l.of(unit); p.Percent != 100 || p.Rate != 100 || p.Ended.IsZero() || p.Broke != "" || p.LeftMs != 0 {
		t.Errorf("at the end: %+v", p)
	}
	for want, err := range map[string]error{
		"an error of the node's own, which its log names": errors.New("goroutine 17 in /secret/path"),
		"x: y: gone (do z)": nexus.Errf("x", nexus.CodeNotFound, "y", "do z", "gone")} {
		_, ended := l.begin(unit, func() int64 { return sent }, time.Now)
		ended(err)
		if p := l.of(unit); p.Broke != want || p.Percent == 100 {
			t.Errorf("broken: %+v, want %q", p, want)
		}
	}
}

// The words of an exit name where it stands and the way on.
func TestExitWords(t *testing.T) {
	t.Parallel()
	day := time.Date(2026, 11, 27, 2, 0, 0, 0, time.UTC)
	base := wire.ExitRow{Unit: "IMVU-001", Status: "exiting", Begun: day}
	with := func(p *wire.ExitProgress) wire.ExitRow { r := base; r.Progress = p; return r }
	left := base
	left.Status, left.Completed, left.GraceUntil, left.Files = "exited", day, day.AddDate(0, 0, 30), 26
	for want, row := range map[string]wire.ExitRow{
		"announced 2026-11-27 02:00Z, nothing fetched yet": base,
		"45 %, file 12 of 26, 3.0 MiB sent at 1.5 MiB/s":   with(&wire.ExitProgress{Part: 12, Of: 26, Percent: 45, Bytes: 3 << 20, Rate: 3 << 19}),
		"45 %, file 12 of 26, 3.0 MiB sent at 1.5 MiB/s, about 40 s left": with(&wire.ExitProgress{Part: 12, Of: 26, Percent: 45, Bytes: 3 << 20,
			Rate: 3 << 19, LeftMs: 38_000}),
		"broke off at 45 %: disk full; the same command goes on":                               with(&wire.ExitProgress{Percent: 45, Ended: day, Broke: "disk full"}),
		"100 %, fetched whole, 3.0 MiB; last step: checked, and its owner's signature over it": with(&wire.ExitProgress{Percent: 100, Bytes: 3 << 20, Ended: day}),
		"left 2026-11-27 with 26 files; you can come back until 2026-12-27":                    left,
	} {
		if got := row.Words(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// How long is left is said once somebody can know it, and no finer than that.
func TestTimeLeft(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		took    time.Duration
		percent int
		left    time.Duration
		words   string
	}{{time.Second, 50, 0, ""}, {time.Minute, 4, 0, ""}, {time.Minute, 100, 0, ""}, {10 * time.Second, 80, 2500 * time.Millisecond, "a few seconds left"},
		{20 * time.Second, 50, 20 * time.Second, "about 20 s left"}, {time.Minute, 20, 4 * time.Minute, "about 4 min left"},
		{30 * time.Minute, 20, 2 * time.Hour, "about 2.0 h left"}} {
		left := wire.TimeLeft(c.took, c.percent)
		if left != c.left {
			t.Errorf("after %s at %d %% there is %s left, want %s", c.took, c.percent, left, c.left)
		}
		if c.words != "" && wire.LeftWords(left) != c.words {
			t.Errorf("%s is %q, want %q", left, wire.LeftWords(left), c.words)
		}
	}
}
