//go:build linux

package satellite

import (
	"context"
	"sync"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge"
)

// reports are what a home got of its edges' processes: the newest of each.
type reports struct {
	mu   sync.Mutex
	kept map[nexus.ID]Report
}

func (r *reports) take(t *testing.T, name string, b []byte) {
	got, err := DecodeReport(b)
	if err != nil || name == "" {
		t.Errorf("report of %q: %v", name, err)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.kept == nil {
		r.kept = map[nexus.ID]Report{}
	}
	r.kept[got.Process] = got
}

// sum adds up one figure over all processes.
func (r *reports) sum(of func(edge.SliceStats) int64) (n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range r.kept {
		for _, s := range k.Slices {
			n += of(s)
		}
	}
	return n
}

// goodbyes counts the processes whose last word was one.
func (r *reports) goodbyes() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range r.kept {
		if k.Last && k.Closing && !k.Orphaned {
			n++
		}
	}
	return n
}

// TestWhatWorkersCarryArrives: each request that workers of a supervisor carried is told to the home exactly once in all, through an
// upgrade and the end of the supervisor, with what the workers' own probes measured and the round trip of the link.
func TestWhatWorkersCarryArrives(t *testing.T) {
	t.Parallel()
	r := startRig(t, nil)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, base := r.client(t, false)
	const each = 40
	carry := func() {
		t.Helper()
		for n := range each {
			if err := post(ctx, c, base, n); err != nil {
				t.Fatal(err)
			}
		}
	}
	requests := func(s edge.SliceStats) int64 { return int64(s.Gateway.Requests) }
	carry()
	eventually(ctx, t, "the first worker has told", func() bool { return r.reports.sum(requests) == each })
	if err := r.Upgrade(ctx); err != nil {
		t.Fatal(err)
	}
	carry() // over the connection of the first worker, which ends with it, and over new ones
	c.CloseIdleConnections()
	eventually(ctx, t, "both workers have told", func() bool { return r.reports.sum(requests) == 2*each })
	eventually(ctx, t, "the second worker's probes are told", func() bool {
		return r.reports.sum(func(s edge.SliceStats) int64 { return s.Added.Samples }) > 0
	})
	eventually(ctx, t, "the one that has ended, and it alone, said goodbye", func() bool { return r.reports.goodbyes() == 1 })
	if n := r.reports.sum(func(s edge.SliceStats) int64 { return int64(s.Gateway.BytesIn) }); n < 2*each*int64(len("request-1")) {
		t.Errorf("%d bytes in", n)
	}
	r.reports.mu.Lock()
	defer r.reports.mu.Unlock()
	if len(r.reports.kept) != 2 {
		t.Errorf("%d processes told", len(r.reports.kept))
	}
	linked := false
	for _, k := range r.reports.kept {
		linked = linked || k.LinkNanos > 0
	}
	if !linked {
		t.Error("no round trip of a link was told")
	}
}

// FuzzDecodeReport: no bytes make the decoder panic, and what is taken names its process.
func FuzzDecodeReport(f *testing.F) {
	f.Add([]byte(`{"process":"` + nexus.ID{1}.String() + `","slices":[{"gateway":{"requests":1}}]}`))
	f.Add([]byte(`{"process":"","slices":null}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := DecodeReport(b); err == nil && r.Process.IsZero() {
			t.Fatalf("%q is taken and names no process", b)
		}
	})
}
