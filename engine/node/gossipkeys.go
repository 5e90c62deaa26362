package node

import (
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/cluster"
	"github.com/BobbyBlanco400/nexus-cos/cluster/gossip"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// gossipKeysFile keeps the ring of gossip keys, mode 0600, in the data directory. It is a copy; see gossip.KeyConfig.
const gossipKeysFile = "gossip.keys"

// keyPace is how often the ledger's generation is compared with what gossip was told.
const keyPace = time.Second

func (n *Node) keyStore() string { return filepath.Join(n.cfg.DataDir, gossipKeysFile) }

// tokenTime is the time by which a join token is judged: now, or a moment at which it was good if this node was in that cluster before. A token invites; who
// was let in does not need one, and what it may do is decided by its admission.
func (n *Node) tokenTime(tok *cluster.Token) time.Time {
	if now := time.Now(); now.UnixMilli() < tok.ExpiresMs || !gossip.HasKeys(n.keyStore(), tok.Cluster, tok.Issuer) {
		return now
	}
	return time.UnixMilli(tok.ExpiresMs - 1)
}

// gossipKey derives a generation's key from a signature of the node's key, which is deterministic and never leaves the node: no secret more to back up, and
// covered by what covers the key file. Join tokens and hand-overs carry it to other nodes.
func gossipKey(s nexus.Signer, clusterID nexus.ID, g state.GossipGeneration) (cluster.GossipKey, error) {
	text := "nexus-gossip-key-v1\n" + clusterID.String() // the form of the time when there was one key
	if g.Generation > 1 {
		text = fmt.Sprintf("nexus-gossip-key-v2\n%s\n%d\n%s", clusterID, g.Generation, g.Salt)
	}
	sig, err := s.Sign([]byte(text))
	return cluster.GossipKey{Generation: g.Generation, Secret: sha256.Sum256(sig)}, err
}

// decidedKey is the key of the generation that the ledger says.
func (n *Node) decidedKey() (cluster.GossipKey, error) {
	var g state.GossipGeneration
	n.Engine().View(func(s *state.State) { g = s.Gossip() })
	return gossipKey(n.key, n.Engine().Cluster(), g)
}

// keyLoop has gossip go to what was decided. It compares instead of listening, so that nothing it has missed is missed for long.
func (n *Node) keyLoop(agent *gossip.Agent) {
	ticker := time.NewTicker(keyPace)
	defer ticker.Stop()
	told := uint64(0)
	for {
		select {
		case <-n.ctx.Done():
			return
		case <-ticker.C:
		}
		var decided uint64
		n.Engine().View(func(s *state.State) { decided = s.Gossip().Generation })
		if decided == told {
			continue
		}
		key, err := n.decidedKey()
		if err == nil {
			err = agent.Rotate(key)
		}
		if err != nil {
			n.log.Error("gossip key not rotated", "component", "cluster", "generation", decided, "error", err)
			continue
		}
		told = key.Generation
	}
}

// GossipKeys implements control.Node.
func (n *Node) GossipKeys() (wire.GossipKeys, error) {
	n.mu.Lock()
	agent := n.agent
	n.mu.Unlock()
	if agent == nil {
		return wire.GossipKeys{}, nexus.Errf("cluster keys", nexus.CodeUnavailable, "gossip", "see nexus status: phase 3 must have passed", "not running")
	}
	k := agent.Keys()
	out := wire.GossipKeys{Step: k.Step.String(), Version: k.Version, Used: k.Used, Pending: k.Pending, Behind: append([]string{}, k.Behind...)}
	for _, key := range k.Accepted {
		out.Accepted = append(out.Accepted, wire.GossipKey{Generation: key.Generation, ID: key.ID})
		if key.ID == k.Used {
			out.Generation = key.Generation
		}
	}
	if e := n.Engine(); e != nil {
		e.View(func(s *state.State) { out.Decided = s.Gossip().Generation })
	}
	return out, nil
}
