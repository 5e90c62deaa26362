package state

import (
	"fmt"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// The gossip key's generation is a part of the state; the key never is (docs/decisions/0075-gossip-key-rotation.md). The ledger's node derives the key from
// its own node key, the generation and the salt, all of which but the node key anybody may know.

// ClusterRekey is the body of cluster.rekey: an operator has the gossip key rotate to the next generation.
type ClusterRekey struct {
	Generation uint64 // the present one and one more, so that asking twice for the same rotation is one rotation
}

// GossipGeneration is which gossip key was decided; it is also the body of the entry, which is of kind node. A node's own entry there is longer.
type GossipGeneration struct {
	Generation uint64
	Salt       nexus.Hash // of the deciding action, so that a ledger restored from before never leads to the same key again; zero for the first
}

// Gossip is the generation that was decided last; a cluster begins with 1.
func (s *State) Gossip() GossipGeneration {
	if s.gossip.Generation == 0 {
		return GossipGeneration{Generation: 1}
	}
	return s.gossip
}

func gossipPart() part {
	return part{name: "gossip-key", save: func(s *State) []byte {
		if s.gossip.Generation == 0 { // never rotated: such a state keeps its hash
			return nil
		}
		return nexus.Encode(s.gossip)
	}, load: func(s *State, b []byte) error {
		var g GossipGeneration
		if err := nexus.Decode(b, &g); err != nil {
			return err
		}
		if g.Generation < 2 || g.Salt.IsZero() {
			return fmt.Errorf("generation %d of the gossip key, or no salt", g.Generation)
		}
		s.gossip = g
		return nil
	}}
}

func (st *step) clusterRekey() error {
	var b ClusterRekey
	if !st.body(&b) {
		return nil
	}
	st.facts.Identity.MayIssue = st.facts.Identity.Role == gates.RoleOperator
	if now := st.s.Gossip().Generation; b.Generation != now+1 {
		st.fail(nexus.CodeConflict, fmt.Sprintf("gossip key generation %d", b.Generation), "see nexus cluster keys",
			"the present generation is %d, so the next is %d", now, now+1)
	}
	st.effect = func() {
		st.s.gossip = GossipGeneration{Generation: b.Generation, Salt: st.cmd.Evidence.Digest}
		st.draft(nexus.ID{}, ledger.KindNode, st.s.gossip)
		st.events = append(st.events, nexus.Event{Type: "cluster.rekeyed", Index: st.index, MustDeliver: true})
	}
	return nil
}
