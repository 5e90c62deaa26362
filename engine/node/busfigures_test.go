package node

import (
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/bus"
)

// Prometheus wants every range with all below it; what the bus counted is told by its own names.
func TestBusFigures(t *testing.T) {
	t.Parallel()
	var counted bus.Took
	counted.Counts[0], counted.Counts[2], counted.Counts[len(counted.Counts)-1], counted.Sum = 5, 3, 1, 2*time.Second
	got := took("lossy", counted)
	limits := bus.TookLimits()
	if got.Class != "lossy" || got.Count != 9 || got.Sum != 2 || len(got.Buckets) != len(limits) || got.Buckets[limits[0].Seconds()] != 5 ||
		got.Buckets[limits[1].Seconds()] != 5 || got.Buckets[limits[2].Seconds()] != 8 || got.Buckets[limits[len(limits)-1].Seconds()] != 8 {
		t.Errorf("%+v", got)
	}
	n := &Node{bus: bus.New(bus.Limits{Lossy: 2, MustDeliver: 1})}
	defer n.Bus().Close()
	slow, err := n.bus.Subscribe(t.Context(), bus.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	for range 5 {
		n.bus.Publish(nexus.Event{Type: "a"})
	}
	if _, _, err := slow.TryNext(); err != nil {
		t.Fatal(err)
	}
	if _, err := n.bus.Subscribe(t.Context(), bus.Filter{}); err != nil {
		t.Fatal(err)
	}
	n.bus.Publish(nexus.Event{Type: "b", MustDeliver: true})
	f := n.busFigures()
	if f.Published != 6 || f.Delivered != 1 || f.Dropped != 3 || f.Coalesced != 0 || f.CutOff != 0 || f.Subscribers != 2 || len(f.Took) != 2 ||
		f.Took[0].Class != "lossy" || f.Took[0].Count != 5 || f.Took[1].Class != "must-deliver" || f.Took[1].Count != 1 {
		t.Errorf("%+v", f)
	}
}
