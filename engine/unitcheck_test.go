package engine_test

import (
	"context"
	"errors"
	stdslices "slices"
	"strings"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
)

func (r *rig) verify() wire.VerifyReport {
	r.t.Helper()
	rep, err := r.eng.Verify(context.Background())
	if err != nil {
		r.t.Fatal(err)
	}
	return rep
}

func notes(rep wire.VerifyReport) string { return strings.Join(rep.Notes, "\n") }

// Where a part of the index does not tell, verification counts the log in its place, says so, and finds what the rest of the index says
// wrongly, of the same unit too. Walks read the log whole, and the index is not made anew: it would tell as little again.
func TestVerifyWhereTheIndexDoesNotTell(t *testing.T) {
	t.Parallel()
	r, units := market(t, 3, 60, small)
	unit, n := units[0], engine.IndexBucket(units[0])
	if err := r.eng.VagueIndex(0, n); err != nil {
		t.Fatal(err)
	}
	r.walks(units, false)
	if rep := r.verify(); len(rep.Findings) > 0 || !strings.Contains(notes(rep), "too many units in 1 of its parts") {
		t.Errorf("findings %v, notes %q", rep.Findings, rep.Notes)
	}
	if loaded, stored, _ := r.eng.IndexState(); !loaded || stored < 2 {
		t.Errorf("made anew: %v, %d segments stored", loaded, stored)
	}
	if err := r.eng.ChangeIndexAt(1, n, unit, func(p []uint32) []uint32 { return p[1:] }); err != nil {
		t.Fatal(err)
	}
	rep := r.verify()
	if len(rep.Findings) != 1 || rep.Findings[0].Where != "index by unit "+unit.String() {
		t.Errorf("findings %v", rep.Findings)
	}
	r.sameWalks(units)
	if rep := r.verify(); len(rep.Findings)+len(rep.Notes) > 0 {
		t.Errorf("made anew, and still %v, %q", rep.Findings, rep.Notes)
	}
}

// A part of the index that is damaged, or lists what no chain can have, is a finding and no end of the verification; it is made anew.
func TestVerifyFindsADamagedIndex(t *testing.T) {
	t.Parallel()
	ghost := func(unit nexus.ID) nexus.ID { unit[15] ^= 1; return unit }
	for name, c := range map[string]struct {
		change func(e *engine.Engine, unit nexus.ID) error
		where  func(unit nexus.ID) string
	}{
		"no canonical bytes": {func(e *engine.Engine, unit nexus.ID) error {
			return e.PutIndex(0, engine.IndexBucket(unit), []byte("none"))
		},
			func(nexus.ID) string { return "index by unit, segment 0, part " }},
		"a unit that is none": {func(e *engine.Engine, unit nexus.ID) error {
			return e.ChangeIndexAt(0, engine.IndexBucket(unit), ghost(unit), func([]uint32) []uint32 { return []uint32{7} })
		}, func(unit nexus.ID) string { return "index by unit " + ghost(unit).String() }},
		"another part's unit": {func(e *engine.Engine, unit nexus.ID) error {
			return e.ChangeIndexAt(0, (engine.IndexBucket(unit)+1)%64, unit, func([]uint32) []uint32 { return []uint32{7} })
		}, func(nexus.ID) string { return "index by unit, segment 0, part " }},
		"a place of the next segment": {func(e *engine.Engine, unit nexus.ID) error {
			return e.ChangeIndex(unit, func(p []uint32) []uint32 { p[len(p)-1] = 64; return p })
		}, func(nexus.ID) string { return "index by unit, segment 0, part " }},
		"bytes after the places": {func(e *engine.Engine, unit nexus.ID) error { return e.SpoilIndex(0, engine.IndexBucket(unit), unit) },
			func(nexus.ID) string { return "index by unit, segment 0, part " }},
		"the same place twice": {func(e *engine.Engine, unit nexus.ID) error {
			return e.ChangeIndex(unit, func(p []uint32) []uint32 { p[1] = p[0]; return p })
		}, func(nexus.ID) string { return "index by unit, segment 0, part " }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, units := market(t, 3, 40, small)
			if err := c.change(r.eng, units[0]); err != nil {
				t.Fatal(err)
			}
			rep := r.verify()
			if len(rep.Findings) != 1 || !strings.HasPrefix(rep.Findings[0].Where, c.where(units[0])) {
				t.Fatalf("findings %v", rep.Findings)
			}
			if loaded, _, _ := r.eng.IndexState(); loaded {
				t.Error("a wrong index is trusted on")
			}
			r.sameWalks(units)
			if rep := r.verify(); len(rep.Findings)+len(rep.Notes) > 0 {
				t.Errorf("made anew, and still %v, %q", rep.Findings, rep.Notes)
			}
		})
	}
}

// A part that would be larger than half a megabyte is stored as one that does not tell.
func TestASegmentIsBounded(t *testing.T) {
	t.Parallel()
	for units, tells := range map[int]bool{1000: true, 10_000: true, 40_000: false} {
		if size, got, err := engine.FullSegment(units); err != nil || got != tells || size > 512<<10 {
			t.Errorf("%d units in %d bytes: tells %v, %v", units, size, got, err)
		}
	}
	least, most := 10_000, 40_000 // the first tells, the last does not
	for most-least > 1 {
		if _, tells, err := engine.FullSegment((least + most) / 2); err != nil {
			t.Fatal(err)
		} else if tells {
			least = (least + most) / 2
		} else {
			most = (least + most) / 2
		}
	}
	if size, _, _ := engine.FullSegment(least); size <= 512<<10-32 || size > 512<<10 {
		t.Errorf("the largest part has %d bytes, one unit more is none", size)
	}
}

// A unit that was quiet since the first segment: that its newest entry is left out is seen by the count of its chain alone.
func TestANewestEntryLeftOutIsFound(t *testing.T) {
	t.Parallel()
	r := newRigWith(t, time.Now, small)
	quiet := r.create("Quiet", "owner", testKey(1).Public())
	loud := r.create("Loud", "owner", testKey(1).Public())
	r.trade([]nexus.ID{quiet}, 3, "quiet")
	r.trade([]nexus.ID{loud}, 60, "loud")
	_, _, size := r.facts()
	want, err := r.eng.UnitSeqs(quiet, size, true)
	if err != nil || len(want) < 4 || want[len(want)-1] >= 64 {
		t.Fatalf("entries %v, %v", want, err)
	}
	if err := r.eng.ChangeIndex(quiet, func(p []uint32) []uint32 { return p[:len(p)-1] }); err != nil {
		t.Fatal(err)
	}
	if got, err := r.eng.UnitSeqs(quiet, size, false); err != nil || !stdslices.Equal(got, want) {
		t.Errorf("read %v, %v, the log holds %v", got, err, want)
	}
	if loaded, _, _ := r.eng.IndexState(); loaded {
		t.Error("a wrong index is trusted on")
	}
	r.sameWalks([]nexus.ID{quiet, loud})
}

// Whoever goes away ends the walk, by the index or not.
func TestAWalkEndsWithItsContext(t *testing.T) {
	t.Parallel()
	r, units := market(t, 3, 40, small)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, plain := range []bool{false, true} {
		if n, err := r.eng.WalkUnit(ctx, units[0], plain); n != 0 || !errors.Is(err, context.Canceled) {
			t.Errorf("plain %v: %d entries, %v", plain, n, err)
		}
	}
}
