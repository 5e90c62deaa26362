package state_test

import (
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// An operator has the gossip key rotate, one generation after the other; of the key, state and ledger hold a salt alone, a new one each time.
func TestTheGossipKeysGeneration(t *testing.T) {
	t.Parallel()
	w := newHall(t, state.RulesMax)
	first := w.a.Gossip()
	if first != (state.GossipGeneration{Generation: 1}) {
		t.Fatalf("a cluster begins with %+v", first)
	}
	salts := map[nexus.Hash]bool{}
	for generation := uint64(2); generation < 5; generation++ {
		out := w.must(w.operator, state.KindClusterRekey, nexus.ID{}, state.ClusterRekey{Generation: generation})
		got := w.a.Gossip()
		if got.Generation != generation || got.Salt.IsZero() || salts[got.Salt] {
			t.Errorf("decided %+v", got)
		}
		salts[got.Salt] = true
		list := entriesOf(t, out, ledger.KindNode)
		if len(list) != 1 {
			t.Fatalf("entries: %+v", list)
		}
		if e, ok := state.DescribeBody(list[0].Kind, list[0].Body).(*state.GossipGeneration); !ok || *e != got {
			t.Errorf("the entry says %+v", e)
		}
		w.swap()
		if w.b.Gossip() != got {
			t.Errorf("restored: %+v", w.b.Gossip())
		}
	}
	for _, wrong := range []uint64{0, 3, 4, 6} { // asked twice, or skipped one
		if out := w.do(w.operator, state.KindClusterRekey, nexus.ID{}, state.ClusterRekey{Generation: wrong}); took(out) || w.a.Gossip().Generation != 4 {
			t.Errorf("generation %d was taken after 4", wrong)
		}
	}
	refusedFor(t, w.do(w.ada, state.KindClusterRekey, nexus.ID{}, state.ClusterRekey{Generation: 5}), 1, "")
	w.swap()
	w.check()
	w.replay()
}
