package node_test

import (
	"testing"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/node"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// TestAShortRateIsShown: what the node posts of a guaranteed rate stands in the picture of slices and in the owner's record while it is open, and in
// the record's month afterwards.
func TestAShortRateIsShown(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n, _, _ := start(t, node.Config{DataDir: dir})
	owner, made := creator(t, dir, 1)
	since := func() (at *time.Time) {
		for _, s := range n.Slices() {
			if s.Unit == made.ID.String() {
				at = s.ShortSince
			}
		}
		return at
	}
	record := func() wire.ServiceUnit {
		t.Helper()
		var r wire.ServiceRecord
		if err := owner.Get(t.Context(), "/v1/slices/record?unit="+made.Label, nil, &r); err != nil || len(r.Units) != 1 {
			t.Fatalf("%+v, %v", r, err)
		}
		return r.Units[0]
	}
	post := func(b state.SliceShort) {
		t.Helper()
		if r, err := n.Engine().Act(t.Context(), state.KindSliceShort, made.ID, b); err != nil || !r.Allowed {
			t.Fatalf("%+v, %v", r, err)
		}
	}
	if r := record(); r.Short != nil || len(r.Months) != 0 || since() != nil {
		t.Errorf("before: %+v", r)
	}
	now := time.Now().UnixMilli()
	post(state.SliceShort{Open: true, SinceMs: now - 60_000, UntilMs: now, GuaranteedBps: 4e6, Windows: 30, Short: 2, WorstPpm: 612_345})
	eventually(t, "the picture shows it", func() bool { at := since(); return at != nil && at.UnixMilli() == now-60_000 })
	if r := record(); r.Short == nil || r.Short.Short != 2 || r.Short.Windows != 30 || r.Short.WorstPercent != 61.2345 || r.Short.GuaranteedBps != 4e6 {
		t.Errorf("the record: %+v", r.Short)
	}
	post(state.SliceShort{SinceMs: now - 1, UntilMs: now, GuaranteedBps: 4e6, Windows: 1, Short: 1, WorstPpm: 500_000})
	eventually(t, "it is over", func() bool { return since() == nil })
	r := record()
	month := time.UnixMilli(now - 60_000).UTC().Format("2006-01")
	if r.Short != nil || len(r.Months) == 0 || r.Months[0].Month != month || r.Months[0].ShortBreaches != 1 {
		t.Errorf("afterwards: %+v", r)
	}
}
