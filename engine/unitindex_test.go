package engine_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	stdslices "slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/cluster/consensus"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// market is a ledger with n units whose events are mixed, rounds of one event each.
func market(t testing.TB, n, rounds int, change func(*engine.Config)) (*rig, []nexus.ID) {
	t.Helper()
	r := newRigWith(t, time.Now, change)
	var units []nexus.ID
	for i := range n {
		units = append(units, r.create(fmt.Sprintf("Unit %d", i), "owner", testKey(1).Public()))
	}
	r.trade(units, rounds, "first")
	return r, units
}

// trade posts one event of every unit a round, the second unit's left out of most.
func (r *rig) trade(units []nexus.ID, rounds int, name string) {
	r.t.Helper()
	for round := range rounds {
		post := state.RevenuePost{Source: state.OperatorSource}
		for i, unit := range units {
			if i == 1 && round%16 != 3 {
				continue
			}
			post.Events = append(post.Events, state.RevenueEvent{Unit: unit, EventID: fmt.Sprintf("%s-%d", name, round), Kind: "sale", Currency: "USD",
				Minor: int64(round + 1), TimeMs: 1})
		}
		if _, err := r.do(r.operator(), state.KindRevenuePost, nexus.ID{}, post); err != nil {
			r.t.Fatal(err)
		}
	}
}

func small(c *engine.Config) { c.IndexSegment, c.SaveEvery = 64, 10 }

// sameWalks holds the walk by the index to the one over every record, for each unit and at many sizes.
func (r *rig) sameWalks(units []nexus.ID) {
	r.t.Helper()
	r.walks(units, true)
}

// walks is sameWalks; unless the index tells of every unit, the newest entry may be unknown to it, but never another.
func (r *rig) walks(units []nexus.ID, tells bool) {
	r.t.Helper()
	_, _, size := r.facts()
	for _, unit := range append([]nexus.ID{{}, {0xff}}, units...) {
		for _, at := range []uint64{0, 1, 63, 64, 65, 128, size / 2, size - 1, size} {
			want, err := r.eng.UnitSeqs(unit, at, true)
			if err != nil {
				r.t.Fatal(err)
			}
			if got, err := r.eng.UnitSeqs(unit, at, false); err != nil || !stdslices.Equal(got, want) {
				r.t.Fatalf("unit %s of %d entries: by the index %v, %v, by the log %v", unit, at, got, err, want)
			}
			last, ok := r.eng.LastOf(unit, at)
			if ok != (len(want) > 0) && (ok || tells) || ok && last != want[len(want)-1] {
				r.t.Fatalf("unit %s of %d entries: the last by the index %d %v, by the log %v", unit, at, last, ok, want)
			}
		}
	}
}

// The index lists what the log holds: while it grows, after restarts, over a crash, under another length of segments, and in a ledger
// that was written without it.
func TestIndexByUnit(t *testing.T) {
	t.Parallel()
	r, units := market(t, 5, 40, small)
	r.sameWalks(units)
	if loaded, stored, ready := r.eng.IndexState(); !loaded || stored < 2 || ready > 2 {
		t.Fatalf("index filled %v, %d segments stored, %d wait: nothing was tried", loaded, stored, ready)
	}
	for _, length := range []uint64{64, 64, 100} {
		r.close()
		r.change = func(c *engine.Config) { c.IndexSegment, c.SaveEvery = length, 10 }
		r.open()
		if loaded, stored, _ := r.eng.IndexState(); !loaded || (stored > 0) != (length == 64) {
			t.Errorf("opened with segments of %d: filled %v, %d stored", length, loaded, stored)
		}
		r.sameWalks(units)
		r.trade(units, 12, fmt.Sprint("again-", time.Now().UnixNano()))
		r.sameWalks(units)
	}
	if rep, err := r.eng.Verify(context.Background()); err != nil || len(rep.Findings) > 0 {
		t.Errorf("verify: %v, %v", rep.Findings, err)
	}
}

// What the index says wrongly changes nothing that is read by it; it is found out, said and made anew.
func TestAWrongIndexIsFoundOut(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func([]uint32) []uint32{
		"one left out":      func(p []uint32) []uint32 { return append(stdslices.Clone(p[:1]), p[2:]...) },
		"another's entry":   func(p []uint32) []uint32 { p[len(p)-1]++; return p },
		"all of it":         func([]uint32) []uint32 { return nil },
		"one too many":      func(p []uint32) []uint32 { return append(p, p[len(p)-1]+1) },
		"past the log's":    func(p []uint32) []uint32 { p[len(p)-1] = 1 << 20; return p },
		"first one of none": func(p []uint32) []uint32 { p[0] = 0; return p },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, units := market(t, 3, 40, small)
			unit := units[0]
			_, _, size := r.facts()
			want, err := r.eng.UnitSeqs(unit, size, true)
			if err != nil {
				t.Fatal(err)
			}
			if err := r.eng.ChangeIndex(unit, change); err != nil {
				t.Fatal(err)
			}
			half := want[:0:0] // of a size within the first segment, where the wrong places are past the end
			for _, seq := range want {
				if seq < 40 {
					half = append(half, seq)
				}
			}
			if got, err := r.eng.UnitSeqs(unit, 40, false); err != nil || !stdslices.Equal(got, half) {
				t.Fatalf("read %v, %v, the log holds %v before entry 40", got, err, half)
			}
			first, _, _ := r.eng.IndexState()
			if got, err := r.eng.UnitSeqs(unit, size, false); err != nil || !stdslices.Equal(got, want) {
				t.Fatalf("read %v, %v, the log holds %v", got, err, want)
			}
			if second, _, _ := r.eng.IndexState(); first && second {
				t.Error("a wrong index is trusted on")
			}
			r.sameWalks(units)
			if loaded, stored, _ := r.eng.IndexState(); !loaded || stored != 0 {
				t.Errorf("filled %v with %d stored segments: not made anew", loaded, stored)
			}
			if err := r.eng.SaveState(); err != nil {
				t.Fatal(err)
			}
			r.close()
			r.open()
			r.sameWalks(units)
			if rep, err := r.eng.Verify(context.Background()); err != nil || len(rep.Findings) > 0 {
				t.Errorf("verify: %v, %v", rep.Findings, err)
			}
		})
	}
}

// A mark of stored segments that cannot be says nothing, and keeps no node from starting.
func TestAMarkThatCannotBe(t *testing.T) {
	t.Parallel()
	for name, raw := range map[string][]byte{
		"more than there are entries": engine.IndexMeta(4, 64),
		"more than there are numbers": engine.IndexMeta(1<<63, 64),
		"no length":                   engine.IndexMeta(2, 0),
		"no canonical bytes":          []byte("none"),
		"a byte after it":             append(engine.IndexMeta(1, 64), 0),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, units := market(t, 3, 40, small)
			if _, _, size := r.facts(); size >= 256 {
				t.Fatalf("%d entries: four segments are there", size)
			}
			if err := r.eng.PutIndexMeta(raw); err != nil {
				t.Fatal(err)
			}
			r.close()
			r.open()
			if loaded, stored, ready := r.eng.IndexState(); !loaded || stored != 0 || ready < 2 {
				t.Errorf("filled %v, %d segments stored, %d wait", loaded, stored, ready)
			}
			r.sameWalks(units)
		})
	}
}

// An index that was not told of a record does not go on over it: it is made anew.
func TestAnIndexWithAGapIsMadeAnew(t *testing.T) {
	t.Parallel()
	r, units := market(t, 3, 40, small)
	r.sameWalks(units)
	last, err := r.eng.Store().LastRecord()
	if err != nil {
		t.Fatal(err)
	}
	last.FirstSeq += uint64(len(last.Entries)) + 1
	r.eng.TellIndex(last)
	if loaded, _, _ := r.eng.IndexState(); loaded {
		t.Error("a gap in the index is trusted on")
	}
	r.trade(units, 3, "later")
	r.sameWalks(units)
	if loaded, _, _ := r.eng.IndexState(); !loaded {
		t.Error("not made anew")
	}
}

// The index is made anew while a segment of it is on its way to the store: that one is stored, and those before it, which were found wrong,
// are not taken for right.
func TestMadeAnewWhileItIsStored(t *testing.T) {
	t.Parallel()
	var saves atomic.Int32 // below zero: not counted
	saves.Store(-1 << 30)
	var r *rig
	r, units := market(t, 3, 40, func(c *engine.Config) {
		c.IndexSegment, c.SaveEvery = 64, 1<<30
		c.Log.Watch = func(op consensus.Op) error {
			if op.Step == engine.StepSaveState && saves.Add(1) == 2 { // the first is the state, in one piece, the next a segment
				return r.eng.RemakeIndex()
			}
			return nil
		}
	})
	if err := r.eng.SaveState(); err != nil {
		t.Fatal(err)
	}
	if err := r.eng.ChangeIndex(units[0], func(p []uint32) []uint32 { return p[1:] }); err != nil {
		t.Fatal(err)
	}
	r.trade(units, 40, "later")
	if loaded, stored, ready := r.eng.IndexState(); !loaded || stored == 0 || ready == 0 {
		t.Fatalf("filled %v, %d segments stored, %d wait: nothing is tried", loaded, stored, ready)
	}
	saves.Store(0)
	if err := r.eng.SaveState(); err != nil {
		t.Fatal(err)
	}
	if loaded, stored, ready := r.eng.IndexState(); !loaded || stored != 0 || ready < 2 {
		t.Errorf("filled %v, %d segments stored, %d wait after it was made anew", loaded, stored, ready)
	}
	for range 2 {
		r.sameWalks(units)
		if loaded, _, _ := r.eng.IndexState(); !loaded {
			t.Error("found wrong again")
		}
		if err := r.eng.SaveState(); err != nil {
			t.Fatal(err)
		}
		r.close()
		r.open()
	}
}

// Verification compares the index with every unit's chain.
func TestVerifyChecksTheIndex(t *testing.T) {
	t.Parallel()
	r, units := market(t, 3, 40, small)
	if err := r.eng.ChangeIndex(units[0], func(p []uint32) []uint32 { return p[1:] }); err != nil {
		t.Fatal(err)
	}
	rep, err := r.eng.Verify(context.Background())
	if err != nil || len(rep.Findings) != 1 || rep.Findings[0].Where != "index by unit "+units[0].String() {
		t.Fatalf("%+v, %v", rep.Findings, err)
	}
	if rep, err := r.eng.Verify(context.Background()); err != nil || len(rep.Findings) > 0 {
		t.Errorf("made anew, and still %v, %v", rep.Findings, err)
	}
}

// Readers and a growing log do not disturb each other: every export verifies by its own proof.
func TestIndexWhileTheLogGrows(t *testing.T) {
	t.Parallel()
	r, units := market(t, 3, 5, small)
	var readers sync.WaitGroup
	stop := make(chan struct{})
	for _, unit := range units {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				size := r.eng.Store().Size()
				got, err := r.eng.UnitSeqs(unit, size, false)
				want, err2 := r.eng.UnitSeqs(unit, size, true)
				if err != nil || err2 != nil || !stdslices.Equal(got, want) {
					t.Errorf("unit %s: %d entries by the index, %d by the log, %v, %v", unit, len(got), len(want), err, err2)
					return
				}
			}
		})
	}
	r.trade(units, 60, "later")
	close(stop)
	readers.Wait()
	r.sameWalks(units)
}

// BenchmarkExportOfAUnit exports one unit of 200 from a ledger of 120,000 entries in 600 records of which three hold one of its events.
func BenchmarkExportOfAUnit(b *testing.B) {
	r, units := market(b, 200, 600, nil)
	quiet := r.create("Quiet", "owner", testKey(1).Public())
	r.trade([]nexus.ID{quiet}, 3, "quiet")
	_, _, size := r.facts()
	b.Logf("%d entries, %d units", size, len(units)+1)
	b.Run("without index", func(b *testing.B) {
		for b.Loop() {
			if got, err := r.eng.UnitSeqs(quiet, size, true); err != nil || len(got) < 4 {
				b.Fatal(len(got), err)
			}
		}
	})
	b.Run("by index", func(b *testing.B) {
		for b.Loop() {
			if got, err := r.eng.UnitSeqs(quiet, size, false); err != nil || len(got) < 4 {
				b.Fatal(len(got), err)
			}
		}
	})
	b.Run("export", func(b *testing.B) {
		for b.Loop() {
			if err := r.eng.Export(context.Background(), io.Discard, &quiet); err != nil {
				b.Fatal(err)
			}
		}
	})
	var out bytes.Buffer
	if err := r.eng.Export(context.Background(), &out, &quiet); err != nil || out.Len() == 0 {
		b.Fatal(err)
	}
}

// thousand posts a batch of 1,000 events.
func (r *rig) thousand(units []nexus.ID, name string) {
	r.t.Helper()
	post := state.RevenuePost{Source: state.OperatorSource}
	for i := range 1000 {
		post.Events = append(post.Events, state.RevenueEvent{Unit: units[i%len(units)], EventID: fmt.Sprintf("%s-%d", name, i), Kind: "sale", Currency: "USD",
			Minor: int64(i + 1), TimeMs: 1})
	}
	if _, err := r.do(r.operator(), state.KindRevenuePost, nexus.ID{}, post); err != nil {
		r.t.Fatal(err)
	}
}
