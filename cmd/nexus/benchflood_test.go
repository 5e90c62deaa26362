package main

import (
	"context"
	"testing"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/engine/bus"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
)

// A flood is as many events as are due, lossy and with the rows of decisions that were taken, and ends with its context.
func TestPublishFlood(t *testing.T) {
	t.Parallel()
	b := bus.New(bus.Limits{Lossy: 10_000})
	defer b.Close()
	heard, err := b.Subscribe(t.Context(), bus.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	defer heard.Close()
	rows := []wire.DecisionRow{{Index: 7}, {Index: 8}}
	const rate, d = 20_000, 100 * time.Millisecond
	started := time.Now()
	n := publish(t.Context(), b, rows, rate, d)
	// At most publishMost events go out in a turn, so a machine that stood still may have had no turn for the last of them.
	if n == 0 || n > 2000 || time.Since(started) < d || heard.Pending() != n || b.Stats().TookLossy.Count() != uint64(n) {
		t.Fatalf("%d events in %v, %d pending", n, time.Since(started), heard.Pending())
	}
	for i := range n {
		got, _, err := heard.TryNext()
		row, ok := got.Event.Data.(wire.DecisionRow)
		if want := rows[i%2].Index; err != nil || !ok || got.Event.Type != "gate.allowed" || got.Event.MustDeliver || got.Event.Index != want || row.Index != want {
			t.Fatalf("event %d: %+v, %v", i, got, err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if n := publish(ended, b, nil, rate, time.Hour); n > publishMost {
		t.Errorf("%d events after its end", n)
	}
}
