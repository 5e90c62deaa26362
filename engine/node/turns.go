package node

import (
	"context"
	"fmt"
	"sync"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/slicing"
)

// servedWithin bounds how long an action's answer waits for the gateway's table.
const servedWithin = 3 * time.Second

// turns are the reconciler's comparisons of what is wanted with what the gateway has, one after the other, for whoever waits for the first that
// has seen a decision. Safe for concurrent use.
type turns struct {
	wake chan struct{} // capacity 1: somebody waits for the next turn

	mu    sync.Mutex
	index uint64           // of the state that the last turn has compared
	wrong map[uint64]error // of that turn: what did not come into force, by the newest decision behind it
	ended chan struct{}    // closed when the next turn ends
}

func newTurns() *turns { return &turns{wake: make(chan struct{}, 1), ended: make(chan struct{})} }

// done tells of a turn that has ended: over the state of this index, and what of it is not in force.
func (t *turns) done(index uint64, wrong map[uint64]error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.index, t.wrong = index, wrong
	close(t.ended)
	t.ended = make(chan struct{})
}

// await waits for the end of a turn that has seen the decision of an index, and has one begin at once. The error says why what was decided there is not in
// force, or why nobody knows.
func (t *turns) await(ctx context.Context, index uint64) error {
	for {
		t.mu.Lock()
		seen, err, ended := t.index >= index, t.wrong[index], t.ended
		t.mu.Unlock()
		if seen {
			return err
		}
		select {
		case t.wake <- struct{}{}:
		default: // one is asked for already
		}
		select {
		case <-ended:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Served implements control.Node. The state that is waited for is this node's own, so it makes no difference where the decision was taken.
func (n *Node) Served(ctx context.Context, kind string, r nexus.Receipt) string {
	if !slicing.Changes(kind) || n.edgeFabric() == nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, servedWithin)
	defer cancel()
	defer context.AfterFunc(n.ctx, cancel)()
	switch err := n.turns.await(ctx, r.Index); {
	case err == nil:
		return ""
	case n.ctx.Err() != nil:
		return "the node is stopping"
	case ctx.Err() != nil:
		return fmt.Sprintf("not within %s; the node goes on, nexus logs --component slicing says what holds it up", servedWithin)
	default:
		return fmt.Sprintf("%v; the node tries again every %s", err, reconcileEvery)
	}
}
