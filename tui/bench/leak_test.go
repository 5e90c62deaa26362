package bench

import (
	"context"
	"os"
	"sync/atomic"
	"testing"
	"time"
)

// leakyNode lets people in and keeps something of each who came after the first two.
type leakyNode struct {
	guestNode
	asked atomic.Int64
	kept  float64 // of each gauge, once it was asked for before
	falls bool    // what is kept goes after some questions
}

func (n *leakyNode) Gauge(_ context.Context, name string) (float64, error) {
	asked := n.asked.Add(1)
	if asked <= int64(len(leftovers)) {
		return 100, nil
	}
	if n.falls && asked > int64(len(leftovers))+3 {
		return 99, nil
	}
	if name == "go_goroutines" {
		return 100 + n.kept, nil
	}
	return 100, nil
}

// What killed sessions leave is said; what goes after a while is not left. The clients are real consoles on terminals.
func TestLeak(t *testing.T) {
	t.Parallel()
	pictures, err := serveRecorded(t.TempDir(), marked(lone(), MarkMinor))
	if err != nil {
		t.Fatal(err)
	}
	defer pictures.close()
	for _, c := range []struct {
		kept     float64
		falls    bool
		want     float64
		patience time.Duration
	}{{0, false, 0, time.Minute}, {3, false, 3, 300 * time.Millisecond}, {3, true, 0, time.Minute}} {
		n := &leakyNode{guestNode: guestNode{fakeNode{make(chan int, 1000)}, pictures, new(atomic.Int64)}, kept: c.kept, falls: c.falls}
		m := &measure{node: n, patience: c.patience,
			o: Options{Env: append(os.Environ(), childKind+"=ssh", childSocket+"="+pictures.path), Dir: t.TempDir(), Duration: time.Nanosecond}.withDefaults()}
		out, err := m.leak(t.Context(), os.Args[0], 3, 2)
		if err != nil {
			t.Fatal(err)
		}
		if len(out) != 2 || out[0].value != c.want || out[1].value != 0 || *out[0].limit != 0 || out[0].name != "3 sessions over SSH killed: goroutines left" {
			t.Errorf("%+v: %+v", c, out)
		}
	}
}

// A refusal counts from its receipt until the counter on the screen has it; one that never comes is an error.
func TestRefusals(t *testing.T) {
	t.Parallel()
	node := newFloodFake(t, "none")
	m := &measure{o: Options{Binary: os.Args[0], Env: append(os.Environ(), childKind+"=console"), Dir: t.TempDir(), Duration: time.Second,
		StartFlooded: func(context.Context) (FloodNode, error) { return node, nil }}.withDefaults()}
	out, err := m.refusals(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(out) != 2 || out[0].value > out[1].value || out[1].value <= 0 || *out[1].limit != 60 || len(node.posted) == 0 {
		t.Errorf("%+v, %d batches", out, len(node.posted))
	}
	blind := newFloodFake(t, "blind")
	m.flooded = blind
	if _, err := m.refusals(t.Context()); err == nil {
		t.Error("a refusal that is on no screen was measured")
	}
}
