package node

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/slicing"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// reconciling gives a node that has a fabric and whose turns are the test's.
func reconciling(t *testing.T) *Node {
	t.Helper()
	n := &Node{turns: newTurns(), fabric: slicing.New(nil, nil)}
	n.ctx, n.cancel = context.WithCancel(t.Context())
	t.Cleanup(n.cancel)
	return n
}

// TestServedWaitsForATurnThatHasSeenTheDecision: not for one that began before, and not for ever; and it says what of its own decision failed.
func TestServedWaitsForATurnThatHasSeenTheDecision(t *testing.T) {
	t.Parallel()
	full := errors.New("no room for its guarantee")
	for _, c := range []struct {
		name string
		turn func(n *Node) // what happens while it waits
		word string        // part of what is said; "": it is served
		took time.Duration
	}{
		{"a later turn", func(n *Node) { n.turns.done(4, nil); synctest.Wait(); <-n.turns.wake; n.turns.done(6, nil) }, "", 0},
		{"another's failure", func(n *Node) { n.turns.done(5, map[uint64]error{3: full}) }, "", 0},
		{"its own failure", func(n *Node) { n.turns.done(5, map[uint64]error{5: full}) }, full.Error(), 0},
		{"only an earlier turn", func(n *Node) { n.turns.done(4, nil) }, "not within 3s", servedWithin},
		{"no turn", func(*Node) {}, "not within 3s", servedWithin},
		{"the end of the node", func(n *Node) { n.cancel() }, "the node is stopping", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n, began, said := reconciling(t), time.Now(), make(chan string, 1)
				go func() { said <- n.Served(t.Context(), state.KindIMVUCreate, nexus.Receipt{Index: 5}) }()
				synctest.Wait()
				select {
				case <-n.turns.wake:
				default:
					t.Error("no turn was asked for")
				}
				c.turn(n)
				word := <-said
				if !strings.Contains(word, c.word) || (word == "") != (c.word == "") {
					t.Errorf("said %q, want %q", word, c.word)
				}
				if took := time.Since(began); took != c.took {
					t.Errorf("took %v, want %v", took, c.took)
				}
			})
		})
	}
}

// TestServedWaitsForNothing: where there is no gateway, or nothing of it changes, or the turn has been.
func TestServedWaitsForNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n, began := reconciling(t), time.Now()
		without := &Node{turns: newTurns(), ctx: n.ctx}
		seen := reconciling(t)
		seen.turns.done(9, nil)
		for name, word := range map[string]string{
			"without a gateway": without.Served(t.Context(), state.KindIMVUCreate, nexus.Receipt{Index: 5}),
			"money":             n.Served(t.Context(), state.KindRevenuePost, nexus.Receipt{Index: 5}),
			"a turn that was":   seen.Served(t.Context(), state.KindRouteSet, nexus.Receipt{Index: 5}),
		} {
			if word != "" {
				t.Errorf("%s: said %q", name, word)
			}
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("waited %v", took)
		}
	})
}
