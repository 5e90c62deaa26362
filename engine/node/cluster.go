package node

import (
	"context"
	"os"
	"path/filepath"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/cluster"
	"github.com/BobbyBlanco400/nexus-cos/cluster/gossip"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/identity"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// StartCluster implements launch.Env.
func (n *Node) StartCluster(context.Context) error {
	n.mu.Lock()
	running := n.agent != nil
	n.mu.Unlock()
	if running {
		return nil
	}
	cfg := gossip.Config{Label: n.cfg.NodeName, BindAddr: n.cfg.GossipAddr, Seeds: n.cfg.JoinSeeds, Admitted: n.admitted, Logger: n.log,
		APIAddr: n.EdgeAddr()}
	if n.token != nil {
		key, err := n.joinedKey()
		if err != nil {
			return err
		}
		cfg.Cluster, cfg.Key, cfg.GossipKey, cfg.Role = n.token.Cluster, key.Public(), n.token.GossipKey, cluster.RoleEdge
		cfg.Keys = gossip.KeyConfig{Keeper: n.token.Issuer, Signer: key, Store: n.keyStore()}
		cfg.Seeds = append(cfg.Seeds, n.token.Seeds...)
	} else {
		decided, err := n.decidedKey()
		if err != nil {
			return err
		}
		cfg.Cluster, cfg.Key, cfg.GossipKey, cfg.Role = n.Engine().Cluster(), n.key.Public(), decided.Secret, cluster.RoleLedger
		cfg.Keys = gossip.KeyConfig{Keeper: n.key.Public(), Signer: n.key, Store: n.keyStore(), Generation: decided.Generation}
	}
	rec, err := cluster.SignRecord(n.key, cluster.Record{Version: 1, Cluster: cfg.Cluster, Label: n.cfg.NodeName, Role: string(cfg.Role),
		GossipAddr: n.cfg.GossipAddr, APIAddr: n.EdgeAddr(), IssuedMs: n.started.UnixMilli()})
	if err != nil {
		return err
	}
	cfg.Record = rec.Digest()
	agent, err := gossip.Start(cfg)
	if err != nil {
		return err
	}
	n.mu.Lock()
	n.agent = agent
	n.mu.Unlock()
	n.wg.Go(func() {
		if err := agent.Run(n.ctx); err != nil && n.ctx.Err() == nil {
			n.log.Error("gossip ended", "component", "cluster", "error", err)
		}
	})
	n.wg.Go(func() { n.memberLoop(agent) })
	if n.Engine() != nil {
		n.wg.Go(func() { n.keyLoop(agent) })
	}
	return n.writeNodeFile()
}

// joinedKey is the key of a node that joins: made once, kept in its data directory.
func (n *Node) joinedKey() (*identity.Key, error) {
	path := identity.KeyPath(n.cfg.DataDir, identity.NodeName)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	key, err := identity.LoadKey(path)
	if nexus.CodeOf(err) == nexus.CodeNotFound {
		key, err = identity.GenerateKey(path, n.cfg.NodeName)
	}
	if err == nil {
		n.mu.Lock()
		n.key = key
		n.mu.Unlock()
	}
	return key, err
}

func (n *Node) admitted() map[nexus.PublicKey]bool {
	out := map[nexus.PublicKey]bool{}
	if e := n.Engine(); e != nil {
		e.View(func(s *state.State) {
			for k, node := range s.Nodes {
				out[k] = node.Admitted
			}
		})
	}
	return out
}

// memberLoop turns gossip's hints into events and a fresh picture.
func (n *Node) memberLoop(agent *gossip.Agent) {
	for {
		select {
		case <-n.ctx.Done():
			return
		case ev := <-agent.Events():
			n.bus.Publish(nexus.Event{Type: "cluster." + string(ev.Kind), Time: time.Now().UTC(), MustDeliver: true, Data: ev})
			n.log.Info("member", "component", "cluster", "event", string(ev.Kind), "node", ev.Node.Label)
			n.view.touch()
		}
	}
}

// Members implements launch.Env and control.Node.
func (n *Node) Members() []wire.MemberRow {
	n.mu.Lock()
	agent := n.agent
	n.mu.Unlock()
	rows := []wire.MemberRow{}
	if agent == nil {
		return rows
	}
	for _, m := range agent.Members().Nodes() {
		row := wire.MemberRow{Name: m.Label, Node: m.Key.String(), State: string(m.State), Addr: m.Addr, Role: string(m.Role), Admitted: m.Admitted}
		if m.RTT > 0 {
			ms := float64(m.RTT.Microseconds()) / 1000
			row.RTTMs = &ms
		}
		if m.State == cluster.StateAlive {
			row.LastSeen = time.Now().UTC()
		} else if m.ChangedMs > 0 {
			row.LastSeen = time.UnixMilli(m.ChangedMs).UTC()
		}
		rows = append(rows, row)
	}
	return rows
}

// Invite implements control.Node: a join token signed by this node's key.
func (n *Node) Invite(_ context.Context, ttl time.Duration) (wire.Invite, error) {
	n.mu.Lock()
	agent := n.agent
	n.mu.Unlock()
	if agent == nil || n.Engine() == nil {
		return wire.Invite{}, nexus.Errf("cluster invite", nexus.CodeUnavailable, "gossip", "see nexus status: phase 3 must have passed", "not running")
	}
	expires := time.Now().Add(ttl).UTC()
	tok, err := cluster.SignToken(n.key, cluster.Token{Cluster: n.Engine().Cluster(), Seeds: []string{agent.Addr()}, GossipKey: agent.TokenKey(),
		ExpiresMs: expires.UnixMilli()})
	if err != nil {
		return wire.Invite{}, err
	}
	return wire.Invite{Token: cluster.EncodeToken(tok), Expires: expires, Seeds: tok.Seeds}, nil
}
