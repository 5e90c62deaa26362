package node_test

import (
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/node"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// TestOneSliceComesWithItsRecord: what the node posts of judged minutes stands beside the slice, of the running month alone.
func TestOneSliceComesWithItsRecord(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n, _, _ := start(t, node.Config{DataDir: dir})
	owner, made := creator(t, dir, 1)
	slice := ""
	eventually(t, "the slice is measured", func() bool {
		for _, s := range n.Slices() {
			if s.Unit == made.ID.String() {
				slice = s.Slice
			}
		}
		return slice != ""
	})
	record := func() *wire.ServiceUnit {
		t.Helper()
		var d wire.SliceDetail
		if err := owner.Get(t.Context(), "/v1/slices/"+slice, nil, &d); err != nil || d.Record == nil || d.Record.Unit != made.Label ||
			d.Record.SincePost != d.MinutesSincePost {
			t.Fatalf("%+v, %v", d, err)
		}
		return d.Record
	}
	if r := record(); r.Months == nil || len(r.Months) != 0 {
		t.Errorf("before: %+v", r.Months)
	}
	monthOf := func(at time.Time) string { return at.UTC().Format("2006-01") }
	now := time.Now()
	from := now.Add(-3 * time.Minute)
	if monthOf(from) != monthOf(now) { // a span lies in one month
		now = now.Add(-5 * time.Minute)
		from = now.Add(-3 * time.Minute)
	}
	span := state.SliceMinutes{FromMs: from.UnixMilli(), ToMs: now.UnixMilli(), Rows: []state.MinutesRow{{Unit: made.ID, Kept: 2, Broken: 1, WorstP99: 12_500}}}
	if r, err := n.Engine().Act(t.Context(), state.KindSliceMinutes, nexus.ID{}, span); err != nil || !r.Allowed {
		t.Fatalf("%+v, %v", r, err)
	}
	r := record()
	if monthOf(time.Now()) != monthOf(from) {
		if len(r.Months) != 0 {
			t.Errorf("of another month: %+v", r.Months)
		}
		return
	}
	if len(r.Months) != 1 || r.Months[0].Month != monthOf(from) || r.Months[0].Kept != 2 || r.Months[0].Broken != 1 || r.Months[0].WorstP99Ms != 12.5 ||
		r.Months[0].Attainment == nil || *r.Months[0].Attainment != 66.6666 {
		t.Errorf("after the post: %+v", r.Months)
	}
}
